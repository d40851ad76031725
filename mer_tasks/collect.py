"""From songs to clips: take what is due, fetch, cut, record, spread over processes."""

import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from mer_tasks.audio.cut import cut_clip
from mer_tasks.audio.decode import AudioError
from mer_tasks.catalog.clips import clip_recipe, record_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.lost import LostClip, StoreCheck, check_store
from mer_tasks.catalog.queue import (
    ClaimPolicy,
    asks_youtube,
    claim_songs,
    end_waiting,
    is_dead,
    n_due,
    own_worker_id,
    release_songs,
    tidy_queue,
)
from mer_tasks.domain import ClipOutcome, Failure, Track
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.files import FULL
from mer_tasks.objects import ObjectStore
from mer_tasks.progress import progress
from mer_tasks.settings import Machine, Params
from mer_tasks.sources.audio import fetch_audio
from mer_tasks.sources.audio.contract import Fetched, FetchError

LONGEST_PAUSE_S = 60.0

Task = Callable[[Track], ClipOutcome]


@dataclass(slots=True)
class CollectReport:
    """What a collection came to, song by song."""

    kept: int
    lost: tuple[LostClip, ...] = ()
    cut: list[str] = field(default_factory=list)
    n_bytes: int = 0
    seconds: float = 0.0
    failures: list[ClipOutcome] = field(default_factory=list)

    @property
    def clips(self) -> int:
        """How many clips were cut."""
        return len(self.cut)

    @property
    def summary(self) -> dict[str, Any]:
        """The report as JSON: clips cut, kept and lost, failures by kind, bytes over the network, seconds of work.

        `cut` are the new clips' SHA-256.
        """
        kinds = Counter(str(failure.failure) for failure in self.failures)
        return {
            "new": self.clips,
            "cut": self.cut,
            "kept": self.kept,
            "lost": len(self.lost),
            "failed": dict(sorted(kinds.items())),
            "n_bytes": self.n_bytes,
            "seconds": round(self.seconds, 1),
        }

    @property
    def line(self) -> str:
        """The report in one line."""
        kinds = ", ".join(f"{n} {kind}" for kind, n in self.summary["failed"].items())
        none = f"{len(self.failures)} songs gave none" + (f" ({kinds})" if kinds else "")
        lost = f", {len(self.lost)} lost from the store" if self.lost else ""
        cost = f"{self.n_bytes / 1e6:.1f} MB, {self.seconds:.0f} s of work"
        return f"{self.clips} clips cut, {self.kept} kept{lost}, {none}; {cost}"

    def add(self, outcome: ClipOutcome) -> None:
        """Count an outcome."""
        self.n_bytes += outcome.n_bytes
        self.seconds += outcome.seconds
        if outcome.clip is None:
            self.failures.append(outcome)
        else:
            self.cut.append(outcome.clip.sha256)


def collect_clips(
    catalog: Catalog,
    collections: tuple[str, ...],
    machine: Machine,
    params: Params,
    limit: int | None = None,
    again: bool = False,
) -> CollectReport:
    """Cut the clips of the songs that are due, at most `limit`, and record each outcome as it arrives.

    A clip that is missing or altered in the store is lost, and its song due. With `again` what failed is due now, whenever its next try would be.
    Several collectors may do so at once: each song is claimed by one of them. Stopped at any instant, the next
    call goes on where this one stood.

    Raises:
        InputError: a collection holds no song, the disk is full, or there can be no clip store at its place.
        UnavailableError: the clip store cannot be reached now.
    """
    started, policy = datetime.now(UTC), _claim_policy(params, collections)
    store, n_workers = machine.clip_store, machine.n_workers
    store.prepare()
    report = CollectReport(*_tidy(catalog, policy, machine, started))
    if again:
        end_waiting(catalog, policy, started)
    due = n_due(catalog, policy, started)
    total = due if limit is None else min(due, limit)
    worker_id = own_worker_id()
    songs = islice(_claimed(catalog, policy, worker_id, started, n_workers), limit)
    with _downloads(machine.downloads, worker_id) as downloads:
        task = partial(_make_clip, store=store, params=params, downloads=downloads)
        try:
            with closing(_spread(task, songs, n_workers)) as outcomes:
                for outcome in progress(outcomes, total, "clips"):
                    recipe = policy.recipe if outcome.clip else policy.attempt
                    record_clip(catalog, outcome, recipe, worker_id=worker_id)
                    report.add(outcome)
        finally:
            release_songs(catalog, worker_id)
    return report


def count_due(
    catalog: Catalog, collections: tuple[str, ...], machine: Machine, params: Params
) -> tuple[int, tuple[LostClip, ...]]:
    """How many songs `collect_clips` would take now, and which songs' clips were found to be lost.

    Raises:
        InputError: a collection holds no song.
    """
    now, policy = datetime.now(UTC), _claim_policy(params, collections)
    lost = _tidy(catalog, policy, machine, now).lost
    return n_due(catalog, policy, now), lost


def _tidy(catalog: Catalog, policy: ClaimPolicy, machine: Machine, now: datetime) -> StoreCheck:
    """Bring the queue up to date with the store and the settings."""
    store, n_threads = machine.clip_store, machine.n_workers
    found = check_store(catalog, policy.collections, policy.recipe, store, n_threads, now)
    tidy_queue(catalog, policy, now)
    return found


def _claim_policy(params: Params, collections: tuple[str, ...]) -> ClaimPolicy:
    """Which songs the settings let a worker claim, and how."""
    how = params.clips.model_dump_json() + params.fetching.model_dump_json()
    attempt = hashlib.sha256(how.encode()).hexdigest()[:16]
    youtube = params.audio.youtube
    return ClaimPolicy(
        collections, clip_recipe(params.clips), attempt, youtube.per_hour if youtube.download_permitted else 0
    )


@contextmanager
def _downloads(downloads: Path, worker_id: str) -> Iterator[Path]:
    """A folder of this collector's own for what is being fetched; what killed ones left is removed."""
    downloads.mkdir(parents=True, exist_ok=True)
    for left in downloads.iterdir():
        if is_dead(left.name):
            shutil.rmtree(left, ignore_errors=True)
    own = downloads / worker_id
    own.mkdir(exist_ok=True)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _claimed(
    catalog: Catalog, policy: ClaimPolicy, worker_id: str, started: datetime, n_workers: int
) -> Iterator[Track]:
    """Songs to be done, taken few at a time so that others find some too."""
    while songs := claim_songs(catalog, policy, n_workers, worker_id, started, datetime.now(UTC)):
        yield from songs


def _make_clip(track: Track, store: ObjectStore, params: Params, downloads: Path) -> ClipOutcome:
    tempfile.tempdir = str(downloads)  # what a killed worker leaves behind is removed with the folder
    _pause(track, params)
    start = time.monotonic()
    outcome = _attempt(track, store, params, downloads)
    return replace(outcome, seconds=round(time.monotonic() - start, 3))


def _attempt(track: Track, store: ObjectStore, params: Params, downloads: Path) -> ClipOutcome:
    fetched = Fetched(Path())
    try:
        with tempfile.TemporaryDirectory(dir=downloads) as folder:
            fetched = fetch_audio(track, Path(folder), params.fetching, params.clips)
            clip = cut_clip(fetched.path, store, params.clips, start_s=fetched.start_s)
    except FetchError as error:
        return ClipOutcome(
            track.track_id, None, str(error), error.failure, error.retry_after_s, n_bytes=error.n_bytes
        )
    except AudioError as error:
        failure = Failure.LOCAL if track.path and fetched.n_bytes == 0 else Failure.BAD
        return ClipOutcome(track.track_id, None, str(error), failure, n_bytes=fetched.n_bytes)
    except OSError as error:
        if error.errno in FULL:
            full = error.filename or downloads
            raise InputError(
                f"{full}: {error.strerror}; free some space, then run mer clips again"
            ) from error
        return _unexpected_failure(track, error)
    except (InputError, UnavailableError):  # of the clip store, which is no song's fault
        raise
    except Exception as error:  # noqa: BLE001 - whatever a song sets off, it is kept and the others go on
        return _unexpected_failure(track, error)
    return ClipOutcome(track.track_id, clip, match=fetched.match, n_bytes=fetched.n_bytes)


def _unexpected_failure(track: Track, error: Exception) -> ClipOutcome:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return ClipOutcome(track.track_id, None, reason, Failure.BUSY)


def _pause(track: Track, params: Params) -> None:
    """Ask YouTube at no regular beat; how often in an hour, the queue sees to."""
    if asks_youtube(track) and params.audio.youtube.download_permitted:
        time.sleep(random.uniform(0, min(LONGEST_PAUSE_S, 3600 / params.audio.youtube.per_hour)))


def _spread(task: Task, songs: Iterator[Track], n_workers: int) -> Generator[ClipOutcome]:
    """The outcomes as they come. A worker that dies takes no song along: those in work are done again, alone."""
    running: dict[Future[ClipOutcome], Track] = {}
    waiting = deque(islice(songs, 1))
    while waiting:
        try:
            with _pool(n_workers) as pool:
                while waiting or running:
                    while waiting and len(running) < n_workers:
                        future = pool.submit(task, waiting[0])
                        running[future] = waiting.popleft()
                        waiting.extend(islice(songs, 1))
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        outcome = future.result()
                        del running[future]
                        yield outcome
        except BrokenProcessPool:
            yield from (_alone(task, song) for song in running.values())
            running.clear()


def _alone(task: Task, song: Track) -> ClipOutcome:
    """The outcome of a song in a process of its own, so that its end can only be this song's doing."""
    try:
        with _pool(1) as pool:
            return pool.submit(task, song).result()
    except BrokenProcessPool:
        reason = "its decoder crashed or ran out of memory; export it again"
        return ClipOutcome(song.track_id, None, reason, Failure.BAD)


def _pool(n_workers: int) -> ProcessPoolExecutor:
    """Workers that start from nothing: a fork would share what other threads of this process hold."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(n_workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    """Let a worker end quietly on Ctrl-C, and end when its parent does, even by kill -9."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
