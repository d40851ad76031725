"""Scores of parts of the songs: each song in its slices, and no slice that is everything or nothing."""

import pytest

from mer_tasks.evaluation.slices import slices
from mer_tasks.settings import Params
from tests.evaluation.results import predictions, snapshot_of, some_moods, with_errors

MOODS_BY_ID = some_moods(30)
IDS = list(MOODS_BY_ID)


def test_slices_by_collection_sample_rate_and_loudness(params: Params) -> None:
    table = predictions(with_errors(MOODS_BY_ID, *IDS[:6]), MOODS_BY_ID)
    songs = snapshot_of(
        MOODS_BY_ID,
        collections={song: "a|b" if place < 12 else "b" for place, song in enumerate(IDS)},
        clip_sr={song: 22050 if place < 6 else 44100 for place, song in enumerate(IDS)},
        clip_loudness_lufs={song: float(place) for place, song in enumerate(IDS)},
    ).songs
    found = {
        (row["by"], row["slice"]): (row["n"], row["accuracy"])
        for row in slices(table, songs, params.evaluation)
    }
    assert found == {
        ("collection", "a"): (12, 0.5),  # b, which all songs are in, is no slice
        ("sample rate", "22050"): (6, 0.0),
        ("sample rate", "44100"): (24, 1.0),
        ("loudness", "quiet"): (10, pytest.approx(0.4)),
        ("loudness", "medium"): (10, 1.0),
        ("loudness", "loud"): (10, 1.0),
    }


def test_songs_without_clips_have_no_slices_by_sound(params: Params) -> None:
    table = predictions(MOODS_BY_ID, MOODS_BY_ID)
    assert slices(table, snapshot_of(MOODS_BY_ID).songs, params.evaluation) == []
