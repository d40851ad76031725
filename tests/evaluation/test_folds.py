"""Who is in which fold, and in the holdout."""

import numpy as np
import pandas as pd
import pytest

from mer_tasks.domain import MOODS, InputError
from mer_tasks.evaluation.folds import folds, split
from mer_tasks.settings import EvaluationSettings, load_params


@pytest.fixture
def evaluation() -> EvaluationSettings:
    return load_params().evaluation


def songs_by(n_artists: int, songs_each: int = 3) -> pd.DataFrame:
    rows = [
        {"track_id": f"t{a}-{s}", "artist": f"Artist {a}", "mood": MOODS[(a + s) % 4]}
        for a in range(n_artists)
        for s in range(songs_each)
    ]
    return pd.DataFrame(rows)


def test_every_song_is_in_one_part_and_no_artist_in_two(evaluation: EvaluationSettings) -> None:
    songs = songs_by(200)
    parts = split(songs, evaluation)
    rows = np.concatenate([parts.folds, parts.holdout, parts.rest])
    assert sorted(rows) == list(range(len(songs)))
    assert 0.05 < len(parts.holdout) / len(songs) < 0.15
    learnt = set(songs["artist"].iloc[parts.folds])
    assert not learnt & set(songs["artist"].iloc[np.concatenate([parts.holdout, parts.rest])])


def test_growth_moves_no_song_across(evaluation: EvaluationSettings) -> None:
    small, large = songs_by(200), songs_by(800)
    before, after = split(small, evaluation), split(large, evaluation)
    learnt = set(large["track_id"].iloc[after.folds])
    assert set(small["track_id"].iloc[before.folds]) <= learnt
    assert not set(small["track_id"].iloc[before.holdout]) & learnt


def test_the_holdout_takes_at_most_so_many_of_a_mood_and_the_rest_rests(
    evaluation: EvaluationSettings,
) -> None:
    songs = songs_by(800)
    parts = split(songs, evaluation.model_copy(update={"holdout_per_mood": 5}))
    assert songs["mood"].iloc[parts.holdout].value_counts().to_dict() == dict.fromkeys(MOODS, 5)
    assert len(parts.rest) > 100


def test_an_artist_is_the_same_however_it_is_written(evaluation: EvaluationSettings) -> None:
    songs = songs_by(400, songs_each=1)
    shouted = songs.assign(artist="  " + songs["artist"].str.upper() + " ")
    assert np.array_equal(split(songs, evaluation).holdout, split(shouted, evaluation).holdout)


def test_grouped_folds_share_no_artist_and_cover_every_song_once(evaluation: EvaluationSettings) -> None:
    songs = songs_by(60)
    pairs = folds(songs, evaluation)
    assert sorted(np.concatenate([held_out for _, held_out in pairs])) == list(range(len(songs)))
    for learn, held_out in pairs:
        assert not set(songs["artist"].iloc[learn]) & set(songs["artist"].iloc[held_out])
        shares = songs["mood"].iloc[held_out].value_counts(normalize=True)
        assert shares.reindex(list(MOODS)).between(0.15, 0.35).all()


def test_the_papers_protocol_splits_artists(evaluation: EvaluationSettings) -> None:
    songs = songs_by(60)
    pairs = folds(songs, evaluation.model_copy(update={"protocol": "paper"}))
    assert any(set(songs["artist"].iloc[learn]) & set(songs["artist"].iloc[held]) for learn, held in pairs)


def test_too_few_artists_of_a_mood_is_said_with_its_name(evaluation: EvaluationSettings) -> None:
    songs = songs_by(60)
    songs = songs[(songs["mood"] != "calm") | (songs["artist"].isin(["Artist 1", "Artist 2"]))]
    with pytest.raises(InputError, match=r"mood calm has songs by [12] artists .* 5 folds need"):
        folds(songs, evaluation)
