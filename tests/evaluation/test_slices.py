"""Scores of parts of the songs: each song in its slices, and no slice that is everything or nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mer_tasks.evaluation.slices import has_voice, slices
from mer_tasks.features.representations.musicnn import names
from mer_tasks.settings import Params
from mer_tasks.workspace import Workspace
from tests.evaluation.results import predictions, snapshot_of, some_moods, with_errors
from tests.evaluation.workspaces import songs_of, write_table

MOODS_BY_ID = some_moods(30)
IDS = list(MOODS_BY_ID)

UNKNOWN = pd.Series(dtype=bool)
"""Whether someone sings, of songs without tags."""


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
        for row in slices(table, songs, params.evaluation, UNKNOWN)
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
    assert slices(table, snapshot_of(MOODS_BY_ID).songs, params.evaluation, UNKNOWN) == []


def test_slices_with_and_without_a_voice_leave_out_songs_without_tags(params: Params) -> None:
    table = predictions(with_errors(MOODS_BY_ID, *IDS[:6]), MOODS_BY_ID)
    voice = pd.Series({song: place < 8 for place, song in enumerate(IDS[:20])})
    rows = slices(table, snapshot_of(MOODS_BY_ID).songs, params.evaluation, voice)
    assert [(row["by"], row["slice"], row["n"], row["accuracy"]) for row in rows] == [
        ("voice", "with", 8, 0.25),
        ("voice", "without", 12, 1.0),
    ]


def test_a_voice_is_told_by_any_of_the_tags_for_one(params: Params, tmp_path: Path) -> None:
    workspace, songs, columns = Workspace(tmp_path), songs_of(2), names(params)
    assert has_voice(workspace).empty
    values = np.zeros((len(songs), len(columns)), np.float32)
    values[:, columns.index("tag_instrumental")] = 0.1
    sung = ["tag_female vocalists", "tag_male vocalists", "tag_female vocalist", "tag_rock"]
    for row, tag in enumerate(sung):
        values[row, columns.index(tag)] = 0.2
    write_table(workspace, "musicnn", songs, values, columns)
    assert has_voice(workspace).tolist() == [True, True, True, False, False, False]
    assert has_voice(workspace).index.tolist() == songs["track_id"].tolist()
