"""What came of each attempt to cut a clip."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from mer_tasks.catalog.clips import clip_recipe, clips_of, record_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.catalog.schema import clips
from mer_tasks.domain import Clip, ClipOutcome, Failure
from mer_tasks.settings import Params

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLIP = Clip("ab" * 32, start_s=12.5, duration_s=30.0, sr=44100, channels=2, loudness_lufs=-14.2)


def bring(catalog: Catalog, folder: Path, collection: str, *rows: str) -> None:
    file = folder / "songs.csv"
    file.write_text("\n".join(("track_id,title,artist,mood,path,url", *rows)) + "\n")
    assert import_songs(catalog, file, collection).problems == ()


def test_every_attempt_is_kept(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a")
    record_clip(catalog, ClipOutcome("a", None, "gone", Failure.GONE, n_bytes=7, seconds=0.5), now=NOON)
    record_clip(catalog, ClipOutcome("a", CLIP), now=NOON)
    with catalog.reading() as connection:
        failed, cut = connection.execute(select(clips).order_by(clips.c.id)).all()
    assert (failed.sha256, failed.reason, failed.observed_at) == (None, "gone", NOON)
    assert (failed.failure, failed.n_bytes, failed.seconds) == ("gone", 7, 0.5)
    assert failed.next_try_at == NOON + timedelta(days=30) and cut.next_try_at is None
    assert Clip(cut.sha256, cut.start_s, cut.duration_s, cut.sr, cut.channels, cut.loudness_lufs) == CLIP
    assert cut.reason is None


def test_an_outcome_is_a_clip_or_a_reason(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a")
    with pytest.raises(IntegrityError):
        record_clip(catalog, ClipOutcome("a"))


def test_the_newest_clip_of_each_song_is_given(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a", "b,T2,A,sad,,http://h/b")
    bring(catalog, tmp_path, "y", "c,T3,A,sad,,http://h/c")
    for track_id, sha256 in (("a", "1" * 64), ("a", "2" * 64), ("c", "3" * 64)):
        record_clip(catalog, ClipOutcome(track_id, replace(CLIP, sha256=sha256)), now=NOON)
    record_clip(catalog, ClipOutcome("a", None, "gone", Failure.GONE), now=NOON)
    assert clips_of(catalog, ["x"], "r") == {"a": "2" * 64}


def test_a_clip_counts_for_its_own_recipe_and_an_unknown_one_until_a_later_is_known(
    catalog: Catalog, tmp_path: Path
) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a")
    found = []
    for number, recipe in enumerate((None, "r", "s", "r"), 1):
        record_clip(catalog, ClipOutcome("a", replace(CLIP, sha256=str(number) * 64)), recipe, NOON)
        found.append([clips_of(catalog, ["x"], wanted).get("a", "-")[0] for wanted in "rst"])
    assert found == [["1", "1", "1"], ["2", "-", "-"], ["2", "3", "-"], ["4", "3", "-"]]


def test_a_recipe_is_the_settings_that_a_clip_is_cut_by(params: Params) -> None:
    longer = params.clips.model_copy(update={"duration_s": 45.0})
    assert clip_recipe(params.clips) == clip_recipe(params.clips.model_copy())
    assert clip_recipe(params.clips) != clip_recipe(longer)
