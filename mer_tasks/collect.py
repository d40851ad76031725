"""From songs to clips: fetch, cut, record, spread over processes."""

import multiprocessing
import os
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mer_tasks.audio.cut import cut_clip
from mer_tasks.catalog.clips import record_clip, songs_without_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.domain import ClipOutcome, InputError, Track
from mer_tasks.progress import progress
from mer_tasks.settings import Clips
from mer_tasks.sources.audio import fetch_audio

Task = Callable[[Track], ClipOutcome]


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What a collection came to: how many clips were cut, and the songs that gave none, with the reason."""

    n_clips: int
    failures: tuple[ClipOutcome, ...]


def collect_clips(
    catalog: Catalog, collections: Collection[str], clip_store: Path, settings: Clips, n_workers: int
) -> CollectReport:
    """Cut the clip of every song that has none yet, and record each outcome as it arrives.

    Stopped at any instant, the next call goes on where this one stood.

    Raises:
        InputError: a collection holds no song.
    """
    songs = songs_without_clip(catalog, collections)
    n_clips, failures = 0, list[ClipOutcome]()
    with tempfile.TemporaryDirectory(prefix="mer-downloads-") as downloads:
        task = partial(_make_clip, store=clip_store, settings=settings, downloads=Path(downloads))
        with closing(_spread(task, songs, n_workers)) as outcomes:
            for outcome in progress(outcomes, len(songs), "clips"):
                record_clip(catalog, outcome)
                n_clips += outcome.clip is not None
                failures += [outcome] if outcome.reason else []
    return CollectReport(n_clips, tuple(sorted(failures, key=lambda outcome: outcome.track_id)))


def _make_clip(track: Track, store: Path, settings: Clips, downloads: Path) -> ClipOutcome:
    try:
        with tempfile.TemporaryDirectory(dir=downloads) as folder:
            clip = cut_clip(fetch_audio(track, Path(folder)), store, settings)
    except InputError as error:
        return ClipOutcome(track.track_id, reason=str(error))
    except Exception as error:  # noqa: BLE001 - whatever a song sets off, it is kept and the others go on
        return ClipOutcome(track.track_id, reason=" ".join(f"{type(error).__name__}: {error}".split()))
    return ClipOutcome(track.track_id, clip)


def _spread(task: Task, songs: Sequence[Track], n_workers: int) -> Generator[ClipOutcome]:
    """The outcomes as they come. A worker that dies takes no song along: those in work are done again, alone."""
    waiting = deque(songs)
    running: dict[Future[ClipOutcome], Track] = {}
    while waiting:
        try:
            with _pool(n_workers) as pool:
                while waiting or running:
                    while waiting and len(running) < n_workers:
                        future = pool.submit(task, waiting[0])
                        running[future] = waiting.popleft()
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
        return ClipOutcome(song.track_id, reason="its decoder crashed or ran out of memory; export it again")


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
