"""Which songs still need a clip."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from mer_tasks.catalog.clips import record_clip, songs_without_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.catalog.schema import clips
from mer_tasks.domain import SPOTIFY_FEATURES, Clip, ClipOutcome, InputError, Track

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLIP = Clip("ab" * 32, start_s=12.5, duration_s=30.0, sr=44100, channels=2, loudness_lufs=-14.2)


def bring(catalog: Catalog, folder: Path, collection: str, *rows: str) -> None:
    file = folder / "songs.csv"
    file.write_text("\n".join(("track_id,title,artist,mood,path,url", *rows)) + "\n")
    assert import_songs(catalog, file, collection).problems == ()


def test_songs_with_audio_and_no_clip_are_given_in_order(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "b.mp3").touch()
    bring(catalog, tmp_path, "x", "c,T,A,sad,,http://h/c", "b,U,B,sad,b.mp3,")
    bring(catalog, tmp_path, "y", "a,T,A,sad,,http://h/a")
    assert songs_without_clip(catalog, ["x"]) == [
        Track("b", "U", "B", path=str((tmp_path / "b.mp3").resolve())),
        Track("c", "T", "A", url="http://h/c"),
    ]
    assert [song.track_id for song in songs_without_clip(catalog, ["x", "y"])] == ["a", "b", "c"]


def test_a_failed_song_is_tried_again_and_a_clip_is_enough(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a", "b,T,B,sad,,http://h/b")
    record_clip(catalog, ClipOutcome("a", reason="gone"))
    record_clip(catalog, ClipOutcome("b", CLIP))
    assert [song.track_id for song in songs_without_clip(catalog, ["x"])] == ["a"]


def test_the_newest_name_and_place_count(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,Tilte,A,sad,,http://old/a")
    bring(catalog, tmp_path, "y", "a,Tilte,A,sad,,http://other/a")
    bring(catalog, tmp_path, "x", "a,Title,A,sad,,http://new/a")
    assert songs_without_clip(catalog, ["x", "y"]) == [Track("a", "Title", "A", url="http://new/a")]


def test_a_collection_that_names_no_place_takes_none_away(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a")
    table = tmp_path / "table.csv"
    table.write_text(
        ",".join(("track_id,title,artist,mood", *SPOTIFY_FEATURES)) + "\na,T,A,sad" + ",0.5" * 11 + "\n"
    )
    import_songs(catalog, table, "table")
    assert songs_without_clip(catalog, ["table"]) == []
    assert songs_without_clip(catalog, ["x", "table"]) == [Track("a", "T", "A", url="http://h/a")]


def test_an_unknown_collection_is_named_with_those_there_are(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^collection x: holds no songs; the catalog has none; fill one with mer"
    ):
        songs_without_clip(catalog, ["x"])
    bring(catalog, tmp_path, "y", "a,T,A,sad,,http://h/a")
    bring(catalog, tmp_path, "z", "a,T,A,sad,,http://h/a")
    with pytest.raises(InputError, match=r"^collection x: holds no songs; the catalog has y, z; fill one"):
        songs_without_clip(catalog, ["x", "y"])


def test_every_attempt_is_kept(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a")
    record_clip(catalog, ClipOutcome("a", reason="gone"), now=NOON)
    record_clip(catalog, ClipOutcome("a", CLIP), now=NOON)
    with catalog.reading() as connection:
        failed, cut = connection.execute(select(clips).order_by(clips.c.id)).all()
    assert (failed.sha256, failed.reason, failed.observed_at) == (None, "gone", NOON)
    assert Clip(cut.sha256, cut.start_s, cut.duration_s, cut.sr, cut.channels, cut.loudness_lufs) == CLIP
    assert cut.reason is None


def test_an_outcome_is_a_clip_or_a_reason(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a")
    with pytest.raises(IntegrityError):
        record_clip(catalog, ClipOutcome("a"))
