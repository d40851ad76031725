"""Asks a registered version for many songs side by side; one song's fault is its own."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from mer_tasks.audio.decode import AudioError, Sound
from mer_tasks.domain import Failure, Track
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.files import naming_full, temporary_folder
from mer_tasks.prediction.mood import SongMood
from mer_tasks.prediction.songs import Song
from mer_tasks.prediction.timeline import cut_windows, write_wav
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.settings import ClipSettings, Params, checked

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2
"""So many songs a process are in work or wait for one, so that none is idle and memory stays flat."""


@dataclass(frozen=True)
class Answer:
    """A song's mood, or why it has none; `may_pass` says that a later try may do better.

    `timeline` has the answers for its windows, where they were asked for, with the seconds they are about.
    """

    name: str
    mood: SongMood | None = None
    error: str = ""
    may_pass: bool = False
    start_s: float | None = None
    end_s: float | None = None
    timeline: "tuple[Answer, ...]" = ()

    @property
    def exit_code(self) -> int:
        """What it means for a command: 0, 2 or EX_TEMPFAIL of sysexits.h."""
        return 0 if self.mood else os.EX_TEMPFAIL if self.may_pass else 2


class Asker:
    """Asks a running version, with as many threads as it has processes."""

    def __init__(self, registered: RegisteredModel, params: Params, n_threads: int) -> None:
        self._registered, self._params, self._n_threads = registered, params, n_threads

    def answers(self, songs: Iterable[Song], with_timeline: bool = False) -> Iterator[Answer]:
        """The answers, in the order of the songs, as they come.

        With a timeline the windows of one song are asked side by side, without one the songs.
        """
        if with_timeline:
            return (self._with_timeline(song) for song in songs)
        return _side_by_side(self._answer, songs, self._n_threads)

    def _answer(self, song: Song) -> Answer:
        return self._caught(song.name, lambda: self._mood_of(song))

    def _mood_of(self, song: Song) -> SongMood:
        with self._file_of(song, whole=False) as path:
            return self._mood_in(path)

    def _mood_in(self, path: Path) -> SongMood:
        found = self._registered.predict(path)
        return SongMood.of(found.probabilities, found.why, self._params.prediction.min_probability)

    def _with_timeline(self, song: Song) -> Answer:
        try:
            with self._file_of(song, whole=True) as path:
                answer = self._caught(song.name, lambda: self._mood_in(path))
                return replace(answer, timeline=tuple(self._windows(path))) if answer.mood else answer
        except (InputError, UnavailableError) as error:
            return _failed(song.name, error)

    def _windows(self, path: Path) -> Iterator[Answer]:
        """The answers for a song's windows, each of which is a file of its own for as long as it is asked for."""
        with temporary_folder() as folder:
            numbers = count()

            def ask(window: tuple[float, float, Sound | AudioError]) -> Answer:
                start_s, end_s, sound = window
                name = f"{start_s:g} s"
                if isinstance(sound, AudioError):
                    return replace(_failed(name, sound), start_s=start_s, end_s=end_s)
                wav = folder / f"{next(numbers)}.wav"
                write_wav(sound, wav)
                answer = self._caught(name, lambda: self._mood_in(wav))
                wav.unlink()
                return replace(answer, start_s=start_s, end_s=end_s)

            windows = cut_windows(path, self.clips.duration_s, self._params.prediction.timeline_step_s)
            yield from _side_by_side(ask, windows, self._n_threads)

    @property
    def clips(self) -> ClipSettings:
        """Which seconds of a song the version reads."""
        described = self._registered.description["params"]
        return checked(ClipSettings, described["clips"], f"{self._registered.version}: clips")

    @contextmanager
    def _file_of(self, song: Song, whole: bool) -> Iterator[Path]:
        """The song's file; one at an address is fetched, or only its clip, and is gone afterwards."""
        if song.problem:
            raise InputError(song.problem)
        if song.url is None:
            yield song.path
            return
        with TemporaryDirectory(prefix="mer-") as folder, naming_full(Path(folder)):
            yield self._fetched(song.url, Path(folder), whole)

    def _fetched(self, url: str, folder: Path, whole: bool) -> Path:
        from mer_tasks.sources.audio import fetch_audio
        from mer_tasks.sources.audio.contract import FetchError
        from mer_tasks.sources.audio.http import fetch_whole

        track = Track(url, title="", artist="", url=url)
        try:
            if whole:
                return fetch_whole(track, folder, self._params.fetching)
            return fetch_audio(track, folder, self._params.fetching, self.clips).path
        except FetchError as error:
            if error.failure is Failure.BUSY:
                raise UnavailableError(str(error), error.retry_after_s) from error
            raise

    def _caught(self, name: str, ask: Callable[[], SongMood]) -> Answer:
        try:
            return Answer(name, ask())
        except (InputError, UnavailableError) as error:
            return _failed(name, error)


def _failed(name: str, error: InputError | UnavailableError) -> Answer:
    line = error.line if isinstance(error, UnavailableError) else str(error)
    return Answer(name, error=line, may_pass=isinstance(error, UnavailableError))


def _side_by_side(run: Callable[[Item], Result], items: Iterable[Item], n_threads: int) -> Iterator[Result]:
    """The result of each item, in their order; no more are taken than are soon worked on."""
    pool = ThreadPoolExecutor(n_threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(run, item))
            if len(waiting) >= AHEAD * n_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
