"""The data set's description: valid Croissant, through which the songs can be read, and the same bytes every time."""

import json
from pathlib import Path

import mlcroissant
import pandas as pd
import pytest

from mer_tasks.catalog.croissant import FILE, write_croissant
from mer_tasks.catalog.dataset import LEFT_OUT_COLUMNS, SONG_COLUMNS, Snapshot, write_snapshot

SONGS = [
    {
        "track_id": "a-1",
        "title": 'He said "no", twice',
        "artist": "Ä",
        "mood": "sad",
        "collections": "mine|sample",
        "clip_sr": 44100,
        "clip_loudness_lufs": -12.5,
    },
    {"track_id": "b-2", "title": "null", "artist": "B", "mood": "calm", "collections": "mine"},
]
LEFT_OUT = [{"track_id": "c", "title": "C", "artist": "C", "reason": "no mood: no source gives one"}]


def frame(rows: list[dict[str, object]], columns: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    snapshot = Snapshot(frame(SONGS, SONG_COLUMNS), frame(LEFT_OUT, LEFT_OUT_COLUMNS))  # type: ignore[arg-type]
    write_snapshot(snapshot, tmp_path)
    write_croissant(snapshot, tmp_path)
    return tmp_path


def test_it_is_valid_and_of_version_1_1(folder: Path) -> None:
    dataset = mlcroissant.Dataset(jsonld=folder / FILE)
    assert not dataset.metadata.ctx.issues.errors
    assert str(dataset.metadata.ctx.conforms_to.value) == "http://mlcommons.org/croissant/1.1"


def test_the_songs_can_be_read_through_it(folder: Path) -> None:
    dataset = mlcroissant.Dataset(jsonld=folder / FILE)
    records = list(dataset.records("songs"))
    assert [record["songs/track_id"].decode() for record in records] == ["a-1", "b-2"]
    assert records[0]["songs/title"].decode() == 'He said "no", twice'
    assert records[0]["songs/clip_loudness_lufs"] == -12.5
    assert [record["left_out/reason"].decode() for record in dataset.records("left_out")] == [
        LEFT_OUT[0]["reason"]
    ]


def test_every_column_is_described(folder: Path) -> None:
    described = json.loads((folder / FILE).read_text())
    songs, left_out = described["recordSet"]
    assert [field["name"] for field in songs["field"]] == list(SONG_COLUMNS)
    assert [field["name"] for field in left_out["field"]] == list(LEFT_OUT_COLUMNS)
    assert all(field["description"] for field in songs["field"])


def test_synthetic_songs_are_said_to_be(folder: Path) -> None:
    text = json.loads((folder / FILE).read_text())["description"]
    assert "The songs of the collection sample are synthetic" in text and "2 songs" in text


def test_the_same_data_give_the_same_bytes(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    snapshot = Snapshot(frame(SONGS, SONG_COLUMNS), frame(LEFT_OUT, LEFT_OUT_COLUMNS))  # type: ignore[arg-type]
    write_snapshot(snapshot, other)
    write_croissant(snapshot, other)
    assert (other / FILE).read_bytes() == (folder / FILE).read_bytes()
