"""Which songs are in which fold, and which in the holdout."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_tasks.domain import MOODS, primary_artist
from mer_tasks.errors import InputError
from mer_tasks.evaluation.folds import Split, folds, split
from mer_tasks.settings import EvaluationSettings

ARTISTS = ("Ärzte", "ARTIST 1", "Artist 1 feat. Artist 2", "Artist 2 (ft. Artist 1)", "artist  1", "", "Ø")


@pytest.fixture(scope="module")
def evaluation() -> EvaluationSettings:
    """The project's own values when this was written, whatever params.yaml has today."""
    return evaluation_by()


def evaluation_by(**changes: object) -> EvaluationSettings:
    values = {"protocol": "grouped", "folds": 5, "holdout_share": 0.1, "holdout_per_mood": 30, "seed": 20}
    return EvaluationSettings.model_validate({**values, "bootstrap": 100, **changes})


def songs_by(n_artists: int, songs_each: int = 3) -> pd.DataFrame:
    rows = [
        {"track_id": f"t{a}-{s}", "artist": f"Artist {a}", "mood": MOODS[(a + s) % 4]}
        for a in range(n_artists)
        for s in range(songs_each)
    ]
    return pd.DataFrame(rows)


def artists_of(songs: pd.DataFrame, rows: np.ndarray) -> set[str]:
    return set(songs["artist"].iloc[rows].map(primary_artist))


def ids_of(songs: pd.DataFrame, rows: np.ndarray) -> set[str]:
    return set(songs["track_id"].iloc[rows])


@st.composite
def tables(draw: Callable[..., object]) -> pd.DataFrame:
    """Songs with artists that are written in many ways, and any moods."""
    row = st.tuples(st.sampled_from(ARTISTS) | st.text(max_size=3), st.sampled_from(MOODS))
    rows: list[tuple[str, str]] = draw(st.lists(row, max_size=60))  # type: ignore[assignment]
    return pd.DataFrame(
        {
            "track_id": [f"t{place}" for place in range(len(rows))],
            "artist": pd.Series([artist for artist, _ in rows], dtype="str"),
            "mood": pd.Series([mood for _, mood in rows], dtype="str"),
        }
    )


def test_every_song_is_in_one_part_and_no_artist_in_two(evaluation: EvaluationSettings) -> None:
    songs = songs_by(200)
    parts = split(songs, evaluation)
    rows = np.concatenate([parts.folds, parts.holdout, parts.unused])
    assert sorted(rows) == list(range(len(songs)))
    assert 0.05 < len(parts.holdout) / len(songs) < 0.15
    apart = np.concatenate([parts.holdout, parts.unused])
    assert not artists_of(songs, parts.folds) & artists_of(songs, apart)


@given(songs=tables(), share=st.sampled_from([0.0, 0.1, 0.5, 0.99]), per_mood=st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_a_split_takes_all_songs_once_and_keeps_artists_together(
    songs: pd.DataFrame, share: float, per_mood: int
) -> None:
    parts = split(songs, evaluation_by(holdout_share=share, holdout_per_mood=per_mood))
    rows = np.concatenate([parts.folds, parts.holdout, parts.unused])
    assert sorted(rows) == list(range(len(songs)))
    assert not artists_of(songs, parts.folds) & artists_of(songs, np.append(parts.holdout, parts.unused))
    assert songs["mood"].iloc[parts.holdout].value_counts().max() <= per_mood or not len(parts.holdout)
    for mood in songs["mood"].iloc[parts.unused]:
        assert (songs["mood"].iloc[parts.holdout] == mood).sum() == per_mood


@given(songs=tables(), n=st.integers(0, 60), order=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_growth_moves_no_song_between_training_and_holdout(
    songs: pd.DataFrame, n: int, order: object
) -> None:
    evaluation = evaluation_by(holdout_share=0.4, holdout_per_mood=2)
    before = songs.iloc[:n]
    shuffled = songs.sample(frac=1, random_state=n)  # nor does the order of songs
    small, large = split(before, evaluation), split(shuffled, evaluation)
    assert ids_of(before, small.folds) == ids_of(shuffled, large.folds) & set(before["track_id"])
    assert not ids_of(before, small.holdout) & ids_of(shuffled, large.folds)


def test_growth_moves_no_song_across(evaluation: EvaluationSettings) -> None:
    small, large = songs_by(200), songs_by(800)
    before, after = split(small, evaluation), split(large, evaluation)
    assert ids_of(small, before.folds) <= ids_of(large, after.folds)
    assert not ids_of(small, before.holdout) & ids_of(large, after.folds)


def test_the_holdout_takes_at_most_so_many_of_a_mood_and_leaves_the_others_unused(
    evaluation: EvaluationSettings,
) -> None:
    songs = songs_by(800)
    parts = split(songs, evaluation.model_copy(update={"holdout_per_mood": 5}))
    assert songs["mood"].iloc[parts.holdout].value_counts().to_dict() == dict.fromkeys(MOODS, 5)
    assert len(parts.unused) > 100


def test_the_holdout_is_the_share_of_artists_that_was_asked_for() -> None:
    songs = songs_by(2000, songs_each=1)
    for share in (0.0, 0.1, 0.3):
        parts = split(songs, evaluation_by(holdout_share=share, holdout_per_mood=2000))
        assert len(parts.holdout) / len(songs) == pytest.approx(share, abs=0.02)
        assert len(parts.unused) == 0


def test_the_seed_of_the_folds_does_not_move_the_holdout() -> None:
    songs = songs_by(100)
    holdouts = [split(songs, evaluation_by(seed=seed)).holdout for seed in (1, 2)]
    assert np.array_equal(*holdouts)


@pytest.mark.parametrize(
    "written", ["  {} ", "{} feat. Guest", "{} (ft. A & B)", "{} [with Guest]", "{} featuring Guest"]
)
def test_an_artist_is_the_same_however_it_is_written_and_with_whatever_guests(
    evaluation: EvaluationSettings, written: str
) -> None:
    songs = songs_by(400, songs_each=1)
    other = songs.assign(artist=[written.format(artist.upper()) for artist in songs["artist"]])
    assert np.array_equal(split(songs, evaluation).holdout, split(other, evaluation).holdout)


def test_no_songs_are_split_into_nothing(evaluation: EvaluationSettings) -> None:
    parts = split(songs_by(4).iloc[:0], evaluation)
    assert [len(part) for part in (parts.folds, parts.holdout, parts.unused)] == [0, 0, 0]
    assert isinstance(parts, Split)


def test_grouped_folds_share_no_artist_and_cover_every_song_once(evaluation: EvaluationSettings) -> None:
    songs = songs_by(60)
    pairs = folds(songs, evaluation)
    assert sorted(np.concatenate([test for _, test in pairs])) == list(range(len(songs)))
    for train, test in pairs:
        assert sorted(np.append(train, test)) == list(range(len(songs)))
        assert not artists_of(songs, train) & artists_of(songs, test)
        shares = songs["mood"].iloc[test].value_counts(normalize=True)
        assert shares.reindex(list(MOODS)).between(0.15, 0.35).all()


def test_songs_with_guests_stay_in_the_fold_of_their_artist(evaluation: EvaluationSettings) -> None:
    songs = songs_by(60)
    guests = [f"{artist} feat. Artist {59 - n % 60}" for n, artist in enumerate(songs["artist"])]
    songs.loc[::3, "artist"] = guests[::3]
    for train, test in folds(songs, evaluation):
        assert not artists_of(songs, train) & artists_of(songs, test)


@given(songs=tables(), n_folds=st.integers(2, 4), seed=st.integers(0, 5), grouped=st.booleans())
@settings(deadline=None, max_examples=150)
def test_folds_can_be_trained_on_and_scored_or_are_refused(
    songs: pd.DataFrame, n_folds: int, seed: int, grouped: bool
) -> None:
    evaluation = evaluation_by(folds=n_folds, seed=seed, protocol="grouped" if grouped else "paper")
    try:
        pairs = folds(songs, evaluation)
    except InputError as error:
        assert str(error).startswith("mood ") and "\n" not in str(error)
        return
    assert len(pairs) == n_folds
    assert sorted(np.concatenate([test for _, test in pairs])) == list(range(len(songs)))
    for train, test in pairs:
        assert set(songs["mood"].iloc[train]) == set(MOODS)
        assert len(test) and not set(train) & set(test)
        assert not grouped or not artists_of(songs, train) & artists_of(songs, test)


def test_a_fold_that_takes_all_songs_of_a_mood_is_refused_by_its_name() -> None:
    moods = {
        "one": ["calm", "happy", "sad"],
        "two": ["happy", "energetic"],
        "three": ["calm", "sad", "energetic"],
    }
    rows = [(artist, mood) for artist, of_artist in moods.items() for mood in of_artist]
    songs = pd.DataFrame(rows, columns=["artist", "mood"])
    message = (
        r"^mood energetic has all of its songs in one fold.*change evaluation\.folds or evaluation\.seed"
    )
    with pytest.raises(InputError, match=message):
        folds(songs, evaluation_by(folds=2))


def test_the_papers_protocol_splits_artists(evaluation: EvaluationSettings) -> None:
    songs = songs_by(60)
    pairs = folds(songs, evaluation.model_copy(update={"protocol": "paper"}))
    assert any(artists_of(songs, train) & artists_of(songs, test) for train, test in pairs)


def test_folds_follow_the_seed(evaluation: EvaluationSettings) -> None:
    songs = songs_by(60)
    first, again, other = (
        [list(test) for _, test in folds(songs, evaluation.model_copy(update={"seed": seed}))]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_too_few_artists_of_a_mood_are_refused_by_its_name(evaluation: EvaluationSettings) -> None:
    songs = songs_by(60)
    songs = songs[(songs["mood"] != "calm") | (songs["artist"].isin(["Artist 1", "Artist 2"]))]
    with pytest.raises(InputError, match=r"mood calm has songs by [12] artists .* 5 folds need"):
        folds(songs, evaluation)


def test_guests_do_not_count_as_artists_of_a_mood(evaluation: EvaluationSettings) -> None:
    songs = songs_by(60)
    calm = songs["mood"] == "calm"
    songs.loc[calm, "artist"] = [f"Artist 1 feat. Guest {n}" for n in range(calm.sum())]
    with pytest.raises(InputError, match=r"mood calm has songs by 1 artists"):
        folds(songs, evaluation)
    assert len(folds(songs, evaluation.model_copy(update={"protocol": "paper"}))) == 5
