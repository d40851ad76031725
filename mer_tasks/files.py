"""Files that are either wholly there or not there, and what cannot be read or written named."""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""What a write ends with where nothing more fits: the disk, a quota, the limit of a process, a read-only disk."""

REFUSED = (errno.EACCES, errno.EPERM, errno.ENOTDIR)
"""What a path ends with that this user may not use, or that leads through a file."""


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading, and nothing else: reading a FIFO or a device may wait for ever.

    Raises:
        OSError: it cannot be opened, or is no regular file; `strerror` is the reason.
    """
    _check_regular(path, path.stat().st_mode)  # first: opening a device can do something
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO may stand there by now
    try:
        _check_regular(path, os.fstat(handle).st_mode)
    except BaseException:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def read_regular(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: as of `open_regular`.
    """
    with open_regular(path) as file:
        return file.read()


@contextmanager
def naming_full(place: Path) -> Iterator[None]:
    """Give an error that says that nothing more fits the place where that was: a write's own error has none."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL and (
            error.filename is None or error.filename2
        ):  # a copy names its source first
            error.filename, error.filename2 = str(place), None
        raise


@contextmanager
def temporary_folder(prefix: str = "mer-") -> Iterator[Path]:
    """A folder for temporary files, which goes with all that is in it; if it is full, the error names it."""
    with tempfile.TemporaryDirectory(prefix=prefix) as name, naming_full(Path(name)):
        yield Path(name)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it becomes `path`, on failure it is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        with naming_full(path.parent):
            yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_regular(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        kind = "FIFO" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
        raise OSError(errno.EINVAL, f"Is a {kind}, not a file", str(path))
