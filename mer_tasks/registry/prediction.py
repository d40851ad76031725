"""From a registered version and a song to its mood."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.files import open_regular
from mer_tasks.registry.lookup import fetch_version, find_version
from mer_tasks.registry.process import (
    Answer,
    LostError,
    SongError,
    VersionError,
    VersionProcess,
    read_description,
)
from mer_tasks.settings import Machine

SHOWN_TAGS = 3
"""So many of the tags that a representation tells say why a song has its mood."""


@dataclass(frozen=True)
class Prediction:
    """The most probable mood of a song, the probability of each, and the most probable tags, if any are told."""

    mood: str
    probabilities: dict[str, float]
    why: dict[str, float]


class RegisteredModel:
    """A version of the registry, running in processes of its own until `close`; also a context manager.

    As many threads as it has processes are served side by side; others wait.
    """

    def __init__(self, machine: Machine, uri: str, n_processes: int = 1) -> None:
        """Start the version at `uri`, such as `models:/mood@champion` or `models:/mood/3`.

        Raises:
            InputError: there is no such version, or it cannot answer here as when it was registered.
            UnavailableError: MLflow cannot be reached now, or a process of the version died or hung.
        """
        self.version = find_version(machine, uri)
        self.folder = fetch_version(machine, self.version)
        self.description = read_description(self.folder)
        self._processes: list[VersionProcess] = []
        self._idle: SimpleQueue[VersionProcess] = SimpleQueue()
        try:
            with ThreadPoolExecutor(n_processes) as starting:
                for started in [starting.submit(self._start, machine.device) for _ in range(n_processes)]:
                    started.result()
        except BaseException as error:
            self.close()
            if isinstance(error, VersionError):
                raise InputError(f"{self.version}: {error}") from error
            if isinstance(error, LostError):
                raise UnavailableError(f"{self.version}: {error}") from error
            raise

    def _start(self, device: str) -> None:
        process = VersionProcess(self.folder, device)
        self._processes.append(process)
        self._idle.put(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def predict(self, path: Path) -> Prediction:
        """The mood of one song; raises what `answer` does."""
        found, tags = self.answer(path)
        why = dict(sorted(tags.items(), key=lambda tag: -tag[1])[:SHOWN_TAGS])
        return Prediction(max(found, key=found.__getitem__), found, why)

    def answer(self, path: Path) -> Answer:
        """The probability of each mood of one song, and of each tag, if any are told.

        Raises:
            InputError: the file cannot be read, decoded, or is too short; the message names it.
            UnavailableError: the version's process died or hung.
        """
        try:
            open_regular(path).close()  # a version of another age may wait for ever for what is no file
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file; give a song's file") from error
        except OSError as error:
            raise InputError(f"{path}: cannot be opened: {error.strerror}; give a song's file") from error
        try:
            return self._answer(path)
        except SongError as error:
            raise InputError(f"{path}: {str(error).removeprefix(f'{path.name}: ')}") from error
        except VersionError as error:
            raise InputError(f"{path}: {self.version} {error}") from error
        except LostError as error:
            raise UnavailableError(f"{path}: {self.version}: {error}") from error

    def _answer(self, path: Path) -> Answer:
        process = self._idle.get()
        try:
            return process.answer(path)
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """End the version's processes."""
        for process in self._processes:
            process.close()
