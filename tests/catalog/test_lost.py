"""Clips that are not in the store as they were cut: recorded once, due again, and back when the file is."""

import hashlib
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from mer_tasks.catalog import lost as lost_clips
from mer_tasks.catalog.clips import clips_of, record_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.catalog.lost import check_store, count_clips, lost_alert, verify_clips, watch_store
from mer_tasks.catalog.queue import ClaimPolicy, claim_songs, n_due, tidy_queue
from mer_tasks.catalog.schema import clips
from mer_tasks.catalog.snapshot import take_snapshot
from mer_tasks.domain import Clip, ClipOutcome, Failure
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import clip_key

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
CLIP = Clip("", start_s=12.5, duration_s=30.0, sr=44100, channels=2, loudness_lufs=-14.2)
X = ClaimPolicy(("x",), "r")
MISSING = "its clip is missing from the clip store"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "clips"


def bring(catalog: Catalog, folder: Path, *track_ids: str) -> None:
    rows = (f"{song},T {song},A,sad,http://h/{song}" for song in track_ids)
    (folder / "songs.csv").write_text("\n".join(("track_id,title,artist,mood,url", *rows)) + "\n")
    import_songs(catalog, folder / "songs.csv", "x", now=NOON)


def cut(
    catalog: Catalog, store: Path, song: str, recipe: str = "r", at: datetime = NOON, content: str = ""
) -> Path:
    """Put some bytes into the store and record them as the song's clip."""
    written = (content or f"clip of {song} by {recipe}").encode()
    sha256 = hashlib.sha256(written).hexdigest()
    clip = store / clip_key(sha256)
    clip.parent.mkdir(parents=True, exist_ok=True)
    clip.write_bytes(written)
    record_clip(catalog, ClipOutcome(song, replace(CLIP, sha256=sha256)), recipe, at)
    return clip


def look(
    catalog: Catalog, store: Path, recipe: str = "r", at: datetime = LATER
) -> tuple[int, dict[str, str]]:
    """How many songs have a whole clip, and why the others have lost theirs."""
    found = check_store(catalog, ["x"], recipe, FolderStore(store), 2, at)
    return found.kept, {clip.track_id: clip.reason for clip in found.lost}


def due(catalog: Catalog, policy: ClaimPolicy = X, at: datetime = LATER) -> list[str]:
    tidy_queue(catalog, policy, at)
    return [song.track_id for song in claim_songs(catalog, policy, 99, "elsewhere:1:2.00", at, at)]


def test_a_lost_clip_counts_no_more_is_recorded_once_and_its_song_is_due(
    catalog: Catalog, tmp_path: Path, store: Path
) -> None:
    bring(catalog, tmp_path, "a", "b", "c")
    cut(catalog, store, "a").unlink()
    cut(catalog, store, "b").write_text("hello")
    whole = cut(catalog, store, "c")
    altered = "its clip was altered in the clip store: other bytes than were cut"
    assert look(catalog, store) == (1, {"a": MISSING, "b": altered})
    assert look(catalog, store) == (1, {})
    assert clips_of(catalog, ["x"], "r") == {"c": whole.stem}
    assert list(store.glob("*/*.mp3")) == [whole]
    assert due(catalog) == ["a", "b"]


def test_the_data_set_of_an_earlier_day_stays_and_that_of_today_says_why(
    catalog: Catalog, tmp_path: Path, store: Path, params: Params
) -> None:
    settings = params.snapshot.model_copy(update={"collections": ("x",), "needs": ("clip",)})
    that_day = settings.model_copy(update={"as_of": NOON.date()})

    def reason() -> str:
        return "".join(take_snapshot(catalog, settings, "r").left_out["reason"])

    bring(catalog, tmp_path, "a", "b")
    clip = cut(catalog, store, "a")
    cut(catalog, store, "b")
    before = take_snapshot(catalog, that_day, "r").identity
    clip.write_bytes(b"")
    look(catalog, store)
    assert reason() == "no clip: its clip was altered in the clip store: it is empty; run mer clips"
    record_clip(catalog, ClipOutcome("a", None, "http://h/a: responds with 404", Failure.GONE), "r", LATER)
    assert reason().endswith("it is empty; http://h/a: responds with 404")
    assert (look(catalog, store), due(catalog)) == ((1, {}), [])  # it waits like any other
    assert take_snapshot(catalog, that_day, "r").identity == before
    cut(catalog, store, "a", at=LATER)
    assert (reason(), look(catalog, store)) == ("", (2, {}))
    assert take_snapshot(catalog, that_day, "r").identity == before


def test_a_copy_that_is_put_back_counts_again(catalog: Catalog, tmp_path: Path, store: Path) -> None:
    bring(catalog, tmp_path, "a", "b")
    clip = cut(catalog, store, "a")
    cut(catalog, store, "b")
    aside = clip.rename(tmp_path / "backup.mp3")
    assert look(catalog, store) == (1, {"a": MISSING})
    record_clip(catalog, ClipOutcome("a", None, "404", Failure.GONE), "attempt", LATER)
    aside.rename(clip)
    assert look(catalog, store) == (2, {})
    assert n_due(catalog, X, LATER + timedelta(days=999)) == 0
    assert clips_of(catalog, ["x"], "r")["a"] == clip.stem


def test_a_store_that_was_away_for_a_while_costs_nothing(
    catalog: Catalog, tmp_path: Path, store: Path
) -> None:
    songs = [f"{n:02}" for n in range(20)]
    bring(catalog, tmp_path, *songs)
    for song in songs:
        cut(catalog, store, song)
    store.rename(tmp_path / "unmounted")
    assert len(look(catalog, store)[1]) == 20
    (tmp_path / "unmounted").rename(store)
    assert (look(catalog, store), due(catalog)) == ((20, {}), [])


def test_a_clip_of_an_earlier_address_does_not_come_back(
    catalog: Catalog, tmp_path: Path, store: Path
) -> None:
    bring(catalog, tmp_path, "a")
    clip = cut(catalog, store, "a")
    aside = clip.rename(tmp_path / "backup.mp3")
    look(catalog, store)
    (tmp_path / "songs.csv").write_text("track_id,title,artist,mood,url\na,T a,A,sad,http://new/a\n")
    import_songs(catalog, tmp_path / "songs.csv", "x", now=LATER)
    aside.rename(clip)
    assert (look(catalog, store), due(catalog)) == ((0, {}), ["a"])


def test_each_recipe_cuts_its_own_lost_clip(catalog: Catalog, tmp_path: Path, store: Path) -> None:
    bring(catalog, tmp_path, "a")
    cut(catalog, store, "a", "r").unlink()
    cut(catalog, store, "a", "s")
    other = ClaimPolicy(("x",), "s")
    look(catalog, store)
    assert (look(catalog, store, "s"), due(catalog, other)) == ((1, {}), [])
    assert due(catalog) == ["a"]


def test_songs_that_share_a_clip_lose_it_together(catalog: Catalog, tmp_path: Path, store: Path) -> None:
    bring(catalog, tmp_path, "a", "b")
    for song in "ab":
        clip = cut(catalog, store, song, content="the same")
    clip.unlink()
    assert look(catalog, store) == (0, {"a": MISSING, "b": MISSING})
    cut(catalog, store, "a", content="the same", at=LATER)
    assert (look(catalog, store), due(catalog)) == ((2, {}), [])  # b finds it too, and nothing is cut twice


def test_verifying_reads_every_clip_of_any_recipe_and_believes_no_date(
    catalog: Catalog, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_clips, "PAGE", 2)
    bring(catalog, tmp_path, "a", "b", "c")
    for song in "abc":
        cut(catalog, store, song)
    old = cut(catalog, store, "a", "s")
    look(catalog, store)
    notes = (store / ".whole.json").read_text()
    old.write_bytes(b"altered")
    clip = cut(catalog, store, "b")
    clip.write_bytes(b"altered")
    found = list(verify_clips(catalog, FolderStore(store), 2, LATER))
    assert (len(found), count_clips(catalog)) == (4, 2)
    assert {(clip.track_id, clip.sha256, clip.kind) for clips in found for clip in clips} == {
        ("a", old.stem, "altered"),
        ("b", clip.stem, "altered"),
    }
    assert (store / ".whole.json").read_text() == notes
    assert due(catalog) == ["b"]
    assert due(catalog, ClaimPolicy(("x",), "s")) == ["a", "c"]  # b is claimed
    assert list(verify_clips(catalog, FolderStore(store), 2, LATER)) == [(), ()]


def test_a_stopped_verification_has_recorded_what_it_found(
    catalog: Catalog, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_clips, "PAGE", 1)
    bring(catalog, tmp_path, "a", "b", "c")
    for song in "abc":
        cut(catalog, store, song).unlink()
    pages = verify_clips(catalog, FolderStore(store), 1, LATER)
    (first,) = next(pages)
    del pages
    assert due(catalog) == [first.track_id]
    assert sum(map(len, verify_clips(catalog, FolderStore(store), 1, LATER))) == 2


def test_killed_between_taking_away_and_recording_the_clip_is_missing_next_time(
    catalog: Catalog, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    bring(catalog, tmp_path, "a")
    cut(catalog, store, "a").write_bytes(b"altered")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(lost_clips, "_record_lost", killed)
        look(catalog, store)
    assert look(catalog, store) == (0, {"a": MISSING})


def test_several_who_look_at_once_record_one_loss(
    catalog: Catalog, catalog_url: str, tmp_path: Path, store: Path
) -> None:
    bring(catalog, tmp_path, *"abcdefgh")
    for song in "abcdefgh":
        cut(catalog, store, song).write_bytes(b"altered")
    catalogs = [Catalog.open(catalog_url) for _ in range(4)]
    threads = [threading.Thread(target=look, args=(one, store)) for one in catalogs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with catalog.reading() as connection:
        rows = connection.scalars(select(clips.c.track_id).where(clips.c.lost_sha256.is_not(None))).all()
    assert sorted(rows) == list("abcdefgh")


def test_a_clip_that_is_cut_while_another_looks_is_not_lost(
    catalog: Catalog, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(catalog, tmp_path, "a")
    cut(catalog, store, "a").write_bytes(b"altered")
    found = lost_clips.find_new_flaws

    def slowly(*arguments: object) -> object:
        flaws = found(*arguments)  # type: ignore[arg-type]
        cut(catalog, store, "a", at=LATER)
        return flaws

    monkeypatch.setattr(lost_clips, "find_new_flaws", slowly)
    assert look(catalog, store)[1] == {}
    monkeypatch.undo()
    assert look(catalog, store) == (1, {})


def test_a_machine_without_clips_reports_nobody_else_s_as_lost(
    catalog: Catalog, tmp_path: Path, machine: Machine
) -> None:
    bring(catalog, tmp_path, "a", "b")
    cut(catalog, tmp_path / "elsewhere", "a")
    assert watch_store(catalog, ["x"], "r", machine) == ()
    machine.clip_store.prepare()
    assert watch_store(catalog, ["x"], "r", machine) == ()
    cut(catalog, machine.home / "clips", "b")
    assert [clip.track_id for clip in watch_store(catalog, ["x"], "r", machine)] == ["a"]


def test_the_alert_names_the_first_songs(tmp_path: Path) -> None:
    lost = [lost_clips.LostClip(f"song-{n}", "0" * 64, "missing", MISSING) for n in range(12)]
    alert = lost_alert(lost, tmp_path)
    assert (alert.title, alert.severity) == ("clip store: 12 songs lost their clip", "warning")
    assert alert.text.splitlines()[0] == f"song-0: {MISSING}"
    assert "and 2 more" in alert.text and "song-10" not in alert.text
