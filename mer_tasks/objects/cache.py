"""Copies of objects that lie elsewhere, on this machine's disk and no more of them than it has room for."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mer_tasks.files import replacing

IN_USE_S = 600
"""What was asked for within this time stays: a reader may be about to open it."""

LOOK_EVERY_S = 60
"""Going through the folder takes a while; what comes in between may go over the limit."""

ROOM_MADE = 0.9
"""To which share of the limit the copies are cut back, so that it is not done for every file."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Files below `folder`, of all stores at most `limit` bytes and what is in use; those of this one are in `place`."""

    folder: Path
    place: str
    limit: int

    def path(self, key: str) -> Path:
        """Where the copy of an object is, or would be."""
        return self.folder / self.place / key

    def find(self, key: str) -> Path | None:
        """The copy, which now counts as in use; None where there is none."""
        path = self.path(key)
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    @contextmanager
    def adding(self, key: str) -> Iterator[Path]:
        """Yield a path to be written to, which becomes the copy; others make room for it."""
        self._make_room()
        with replacing(self.path(key)) as temporary:
            yield temporary

    def drop(self, key: str) -> None:
        """Forget a copy."""
        self.path(key).unlink(missing_ok=True)

    def _make_room(self) -> None:
        """Delete what was not used for longest; now and then, by one of the processes."""
        looked = self.folder / ".looked"
        with suppress(FileNotFoundError):
            if time.time() - looked.stat().st_mtime < LOOK_EVERY_S:
                return
        self.folder.mkdir(parents=True, exist_ok=True)
        looked.touch()
        files = sorted(self._files())
        n_bytes = sum(size for _, size, _ in files)
        if n_bytes <= self.limit:
            return
        for used, size, path in files:
            if n_bytes <= ROOM_MADE * self.limit or used > time.time() - IN_USE_S:
                return
            path.unlink(missing_ok=True)
            n_bytes -= size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """When each was last used, its size, and where it is; what killed processes left too."""
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):
                    found = path.stat()
                    yield found.st_mtime, found.st_size, path
