"""Objects as the files of a folder."""

import logging
import os
import stat
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from mer_tasks.errors import InputError
from mer_tasks.files import replacing
from mer_tasks.objects import Stamp

log = logging.getLogger(__name__)

UNFINISHED_S = 1800
"""What was begun longer ago is nobody's any more."""


@dataclass(frozen=True, slots=True)
class FolderStore:
    """A folder; a key is a path in it."""

    folder: Path

    checks_itself = False

    def __str__(self) -> str:
        """The folder."""
        return str(self.folder)

    def prepare(self) -> None:
        """Make the folder; unfinished files in it are taken away."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise InputError(
                f"{self}: the store can be no folder there ({error.strerror}); mend that, or set MER_HOME elsewhere"
            ) from error
        for unfinished in self.folder.glob("*/.tmp-*"):
            with suppress(FileNotFoundError):  # another process has just finished it
                if unfinished.stat().st_mtime < time.time() - UNFINISHED_S:
                    unfinished.unlink()

    def writing(self, key: str) -> AbstractContextManager[Path]:
        """A temporary file beside the object, which becomes the object."""
        return replacing(self.folder / key)

    def local(self, key: str) -> Path:
        """The object's own file, whether or not it is there."""
        return self.folder / key

    def fresh(self, key: str) -> Path:
        """The same."""
        return self.folder / key

    def fetch(self, keys: Collection[str]) -> None:
        """Nothing: they are here."""

    def stamps(self, keys: Collection[str]) -> dict[str, Stamp]:
        """Size, times of change in ns, and inode: whoever writes to a file changes one of them."""
        found: dict[str, Stamp] = {}
        for key in keys:
            with suppress(OSError):
                file = (self.folder / key).lstat()
                found[key] = [file.st_size, file.st_mtime_ns, file.st_ctime_ns, file.st_ino]
        return found

    def keys(self, folder: str) -> Iterator[str]:
        """The files below a folder."""
        for place, _, names in os.walk(self.folder / folder):
            below = Path(place).relative_to(self.folder).as_posix()
            yield from (f"{below}/{name}" for name in names if not name.startswith("."))

    def is_empty(self) -> bool:
        """Whether no file is there."""
        return not any(path.is_file() for path in self.folder.glob("*/[!.]*"))

    def take_away(self, key: str, is_right: Callable[[Path], bool]) -> None:
        """A folder is not deleted: it stays beside its old place, in one called `.altered-…`."""
        file = self.folder / key
        place = file if file.parent.is_dir() else file.parent
        try:
            aside = Path(tempfile.mkdtemp(prefix=".altered-", dir=place.parent)) / place.name
            try:
                place.rename(
                    aside
                )  # nobody else can have it now, so that what is looked at is what is deleted
                if is_right(aside):
                    aside.rename(place)
                elif not stat.S_ISDIR(aside.lstat().st_mode):
                    aside.unlink()
            finally:
                if not any(aside.parent.iterdir()):
                    aside.parent.rmdir()
        except FileNotFoundError:
            return  # another process took it away
        except OSError as error:
            log.warning("%s: cannot be taken away: %s", place, error.strerror)
