"""What is due, who is at it, and when what failed is tried again."""

import multiprocessing
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mer_tasks.catalog.charts import record_chart
from mer_tasks.catalog.clips import record_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.catalog.queue import (
    LEASE,
    ClaimPolicy,
    claim_songs,
    end_waiting,
    is_dead,
    n_due,
    own_worker_id,
    release_songs,
    tidy_queue,
    waiting_time,
)
from mer_tasks.domain import SPOTIFY_FEATURES, ChartEntry, Clip, ClipOutcome, Failure, Track
from mer_tasks.errors import InputError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLIP = Clip("ab" * 32, start_s=12.5, duration_s=30.0, sr=44100, channels=2, loudness_lufs=-14.2)
X = ClaimPolicy(("x",), "r")
ELSEWHERE = "elsewhere:1:2.00"
"""A worker of another machine, of which nobody here knows whether it lives."""


def bring(catalog: Catalog, folder: Path, collection: str, *rows: str, at: datetime = NOON) -> None:
    file = folder / "songs.csv"
    file.write_text("\n".join(("track_id,title,artist,mood,path,url", *rows)) + "\n")
    assert import_songs(catalog, file, collection, now=at).problems == ()


def bring_without_address(catalog: Catalog, folder: Path, collection: str, *track_ids: str) -> None:
    table = folder / "table.csv"
    rows = (f"{track_id},T {track_id},A,sad" + ",0.5" * 11 for track_id in track_ids)
    table.write_text("\n".join((",".join(("track_id,title,artist,mood", *SPOTIFY_FEATURES)), *rows)) + "\n")
    assert import_songs(catalog, table, collection, now=NOON).problems == ()


def claim(
    catalog: Catalog, policy: ClaimPolicy = X, n: int = 100, worker_id: str = ELSEWHERE, at: datetime = NOON
) -> str:
    """The ids taken, joined by spaces."""
    return " ".join(song.track_id for song in claim_songs(catalog, policy, n, worker_id, due_by=at, now=at))


def test_due_are_songs_of_the_collections_with_their_audio(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "b.mp3").touch()
    bring(catalog, tmp_path, "x", "c,T,A,sad,,http://h/c", "b,U,B,sad,b.mp3,")
    bring(catalog, tmp_path, "y", "a,T,A,sad,,http://h/a")
    assert n_due(catalog, X, NOON) == 2
    assert claim_songs(catalog, X, 9, "me", NOON, NOON) == [
        Track("b", "U", "B", path=str((tmp_path / "b.mp3").resolve())),
        Track("c", "T", "A", url="http://h/c"),
    ]
    assert claim(catalog, ClaimPolicy(("x", "y"), "r")) == "a"


def test_an_unknown_collection_is_named_with_those_there_are(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^collection x: holds no songs; the catalog has none; fill one"):
        n_due(catalog, X, NOON)
    bring(catalog, tmp_path, "y", "a,T,A,sad,,http://h/a")
    bring(catalog, tmp_path, "z", "a,T,A,sad,,http://h/a")
    with pytest.raises(InputError, match=r"^collection x: holds no songs; the catalog has y, z; fill one"):
        n_due(catalog, ClaimPolicy(("x", "y"), "r"), NOON)


def test_what_one_worker_claims_no_other_gets_until_the_lease_ends(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", *(f"{n},T{n},A,sad,,http://h/{n}" for n in "abc"))
    assert claim(catalog, n=2, worker_id="one") == "a b"
    assert claim(catalog, worker_id="two") == "c"
    assert claim(catalog, worker_id="three") == ""
    assert claim(catalog, worker_id="three", at=NOON + LEASE) == "a b c"


def test_what_is_released_is_free(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a", "b,T2,A,sad,,http://h/b")
    claim(catalog, n=1, worker_id="one")
    claim(catalog, n=1, worker_id="two")
    release_songs(catalog, "one")
    assert claim(catalog) == "a"


def _claim_all(url: str, n: int) -> list[str]:
    catalog, found = Catalog.open(url), list[str]()
    while songs := claim_songs(catalog, X, n, str(os.getpid()), NOON, NOON):
        found += [song.track_id for song in songs]
        for song in songs:
            record_clip(catalog, ClipOutcome(song.track_id, CLIP), "r", NOON)
    return found


def test_many_workers_share_the_work_and_no_song_is_claimed_twice(
    catalog: Catalog, catalog_url: str, tmp_path: Path
) -> None:
    ids = [f"{n:03}" for n in range(60)]
    bring(catalog, tmp_path, "x", *(f"{n},T{n},A,sad,,http://h/{n}" for n in ids))
    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(_claim_all, [catalog_url] * 4, [3] * 4))
    assert Counter(track_id for share in shares for track_id in share) == Counter(ids)


def test_a_dead_worker_has_no_claims(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a", "b,T2,A,sad,,http://h/b", "c,T3,A,sad,,http://h/c")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        other = pool.apply(own_worker_id)
        claim(catalog, n=1, worker_id=other)
        tidy_queue(catalog, X, NOON)
        assert claim(catalog, n=1, worker_id=own_worker_id()) == "b"
        pool.terminate()
        pool.join()
    claim(catalog, n=1)
    tidy_queue(catalog, X, NOON)
    assert claim(catalog) == "a"


def test_only_a_worker_of_this_machine_that_ended_is_dead() -> None:
    host, pid, start = own_worker_id().rsplit(":", 2)
    set_back = f"{host}:{pid}:{float(start) - 60:.2f}"
    another = f"{host}:{pid}:{float(start) - 1e6:.2f}"
    assert [is_dead(name) for name in (own_worker_id(), set_back, another)] == [False, False, True]
    assert not any(is_dead(name) for name in (ELSEWHERE, ".DS_Store", "", "a:b:c"))


def test_a_song_that_has_its_clip_is_not_due(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a")
    record_clip(catalog, ClipOutcome("a", CLIP), "r", NOON)
    tidy_queue(catalog, X, NOON)
    assert claim(catalog, at=NOON + timedelta(days=1000)) == ""


def test_a_song_cut_another_way_is_due_again(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a")
    record_clip(catalog, ClipOutcome("a", CLIP), "r", NOON)
    tidy_queue(catalog, ClaimPolicy(("x",), "another"), NOON)
    assert claim(catalog, ClaimPolicy(("x",), "another")) == "a"


def test_recipes_that_take_turns_cut_each_song_once(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a", "b,T2,A,sad,,http://h/b")
    cut = []
    for recipe in ("r", "s", "r", "s", "r"):
        policy = ClaimPolicy(("x",), recipe)
        tidy_queue(catalog, policy, NOON)
        cut.append(claim(catalog, policy))
        for track_id in cut[-1].split():
            record_clip(catalog, ClipOutcome(track_id, CLIP), recipe, NOON, worker_id=ELSEWHERE)
    assert cut == ["a b", "a b", "", "", ""]


def test_what_another_recipe_needs_is_not_cut_by_this_one(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a")
    record_clip(catalog, ClipOutcome("a", CLIP), "r", NOON)
    tidy_queue(catalog, ClaimPolicy(("x",), "s"), NOON)
    end_waiting(catalog, X, NOON)
    assert (n_due(catalog, X, NOON), claim(catalog)) == (0, "")
    assert claim(catalog, ClaimPolicy(("x",), "s")) == "a"


def test_a_song_that_moved_is_cut_again_by_every_recipe(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://old/a")
    for recipe in "rs":
        record_clip(catalog, ClipOutcome("a", CLIP), recipe, NOON)
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://new/a", at=NOON + timedelta(hours=1))
    cut = []
    for recipe in ("r", "s", "r"):
        policy, later = ClaimPolicy(("x",), recipe), NOON + timedelta(hours=2)
        tidy_queue(catalog, policy, later)
        cut.append(claim(catalog, policy, at=later))
        if cut[-1]:
            record_clip(catalog, ClipOutcome("a", CLIP), recipe, later, worker_id=ELSEWHERE)
    assert cut == ["a", "a", ""]


def test_a_song_that_may_not_be_fetched_any_more_is_due_for_no_recipe(
    catalog: Catalog, tmp_path: Path
) -> None:
    song = Track("a", "T", "A", url="http://h/a")
    record_chart(catalog, "x", None, [ChartEntry(1, song)], None, NOON)
    record_clip(catalog, ClipOutcome("a", CLIP), "r", NOON)
    record_chart(catalog, "x", None, [ChartEntry(1, replace(song, may_fetch=False))], None, NOON)
    policy = ClaimPolicy(("x",), "s")
    tidy_queue(catalog, policy, NOON)
    assert n_due(catalog, policy, NOON) == 0


def test_only_another_place_makes_a_song_due_again(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a")
    record_clip(catalog, ClipOutcome("a", CLIP), "r", NOON)
    later = NOON + timedelta(hours=1)
    bring(catalog, tmp_path, "x", "a,New title,A,sad,,http://h/a", at=later)
    bring(catalog, tmp_path, "y", "a,T,A,sad,,http://h/a", at=later)
    bring_without_address(catalog, tmp_path, "z", "a")
    assert claim(catalog, at=later) == ""
    bring(catalog, tmp_path, "x", "a,New title,A,sad,,http://new/a", at=later)
    assert claim_songs(catalog, X, 9, "me", later, later) == [
        Track("a", "New title", "A", url="http://new/a")
    ]


def test_two_lists_that_place_a_song_elsewhere_do_not_take_turns(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://one/a")
    bring(catalog, tmp_path, "y", "a,T,A,sad,,http://two/a")
    record_clip(catalog, ClipOutcome("a", CLIP), "r", NOON)
    for week in range(1, 4):
        at = NOON + timedelta(weeks=week)
        bring(catalog, tmp_path, "x", "a,T,A,sad,,http://one/a", at=at)
        bring(catalog, tmp_path, "y", "a,T,A,sad,,http://two/a", at=at)
        bring_without_address(catalog, tmp_path, "z", "a")
        assert claim(catalog, ClaimPolicy(("x", "y", "z"), "r", searches_per_hour=9), at=at) == ""


@pytest.mark.parametrize("outcome", [ClipOutcome("a", CLIP), ClipOutcome("a", None, "404", Failure.GONE)])
def test_a_song_that_moves_while_it_is_fetched_is_fetched_from_its_new_place(
    catalog: Catalog, tmp_path: Path, outcome: ClipOutcome
) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://old/a")
    assert claim(catalog, worker_id="h:1:1.0") == "a"
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://new/a", at=NOON + timedelta(minutes=1))
    record_clip(catalog, outcome, "r", NOON + timedelta(minutes=2), worker_id="h:1:1.0")
    assert claim(catalog, at=NOON + timedelta(minutes=3)) == "a"


def test_a_worker_that_comes_too_late_changes_nothing(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a")
    claim(catalog, worker_id="slow:1:1.0")
    after = NOON + LEASE
    assert claim(catalog, worker_id="next:1:1.0", at=after) == "a"
    record_clip(catalog, ClipOutcome("a", None, "late", Failure.GONE), "r", after, worker_id="slow:1:1.0")
    assert claim(catalog, worker_id="third:1:1.0", at=after) == ""
    record_clip(catalog, ClipOutcome("a", CLIP), "r", after, worker_id="next:1:1.0")
    assert claim(catalog, at=after + timedelta(days=99)) == ""


def test_what_failed_by_other_settings_is_tried_again(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", "a,T,A,sad,,http://h/a", "b,T2,A,sad,,http://h/b")
    before, after = ClaimPolicy(("x",), "r", "strict"), ClaimPolicy(("x",), "r", "lenient")
    record_clip(catalog, ClipOutcome("a", None, "too large", Failure.BAD), before.attempt, NOON)
    record_clip(catalog, ClipOutcome("b", CLIP), before.recipe, NOON)
    tidy_queue(catalog, before, NOON)
    assert claim(catalog, before) == ""
    tidy_queue(catalog, after, NOON)
    assert claim(catalog, after) == "a"


def test_a_video_s_address_counts_as_a_search(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", *(f"{n},T{n},A,sad,,https://youtu.be/{n}" for n in "abc"))
    assert claim(catalog) == ""
    assert claim(catalog, ClaimPolicy(("x",), "r", searches_per_hour=2)) == "a b"


def test_what_failed_waits_as_long_as_its_failure_asks_for(catalog: Catalog, tmp_path: Path) -> None:
    bring(catalog, tmp_path, "x", *(f"{kind},T{kind},A,sad,,http://h/{kind}" for kind in Failure))
    for kind in Failure:
        record_clip(catalog, ClipOutcome(kind, reason="why", failure=kind), "r", NOON)
    due = [claim(catalog, at=NOON + timedelta(days=days)) for days in (0, 1, 7, 30)]
    assert due == ["", "busy local", "busy local refused", "busy local refused bad gone"]
    record_clip(catalog, ClipOutcome("gone", reason="why", failure=Failure.GONE), "r", NOON)
    end_waiting(catalog, X, NOON)
    assert claim(catalog, at=NOON + timedelta(minutes=1)) == "gone"


@pytest.mark.parametrize(
    ("failure", "n", "retry_after_s", "expected"),
    [
        (Failure.BUSY, 1, None, timedelta(minutes=15)),
        (Failure.BUSY, 3, None, timedelta(hours=1)),
        (Failure.BUSY, 50, None, timedelta(days=7)),
        (Failure.BUSY, 1, 7200.0, timedelta(hours=2)),
        (Failure.BUSY, 1, 1e300, timedelta(days=365)),
        (Failure.GONE, 2, None, timedelta(days=60)),
        (Failure.GONE, 2000, None, timedelta(days=365)),
        (Failure.LOCAL, 9, None, timedelta(days=1)),
    ],
)
def test_each_failure_in_a_row_doubles_the_wait(
    failure: Failure, n: int, retry_after_s: float | None, expected: timedelta
) -> None:
    assert waiting_time(failure, n, retry_after_s) == expected


def test_songs_without_an_address_are_searched_for_by_leave_and_at_a_rate(
    catalog: Catalog, tmp_path: Path
) -> None:
    bring_without_address(catalog, tmp_path, "x", "a", "b", "c", "d")
    allowed = ClaimPolicy(("x",), "r", searches_per_hour=2)
    assert (n_due(catalog, X, NOON), claim(catalog)) == (0, "")
    assert n_due(catalog, allowed, NOON) == 2
    assert claim(catalog, allowed, n=1, worker_id="one") == "a"
    assert claim(catalog, allowed, worker_id="two") == "b"
    assert claim(catalog, allowed, worker_id="three") == ""
    for track_id in "ab":
        record_clip(catalog, ClipOutcome(track_id, CLIP), "r", NOON)
    half = NOON + timedelta(minutes=30)
    assert claim(catalog, allowed, at=half) == ""
    assert claim(catalog, allowed, at=NOON + timedelta(minutes=61)) == "c d"
