"""libsndfile without what the libraries inside it print."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import IO

import soundfile

MPG123 = re.compile(rb"(?m)^(?:(?:Note|Warning): |\[\S*libmpg123/).*\n?")
"""What mpg123, which reads mp3s for libsndfile, prints on damaged ones; it cannot be asked not to."""

STDERR = 2
_one_at_a_time = RLock()


class Content(io.BytesIO):
    """A file's bytes for libsndfile, which asks for places that a damaged file does not have."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to the nearest place there is."""
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self.getbuffer().nbytes}
        return super().seek(max(0, starts[whence] + offset))


@contextmanager
def open_sound(file: IO[bytes] | io.RawIOBase) -> Iterator[soundfile.SoundFile]:
    """A sound for reading, from a file with a descriptor or from what only looks like a file.

    Raises:
        SoundFileError: libsndfile cannot read it.
    """
    with quiet(), soundfile.SoundFile(_source(file), closefd=False) as sound:
        yield sound


@contextmanager
def quiet() -> Iterator[None]:
    """Keep mpg123's lines off standard error while libsndfile is at work; what others print follows after."""
    with _one_at_a_time:
        try:
            stderr = os.dup(STDERR)
        except OSError:  # it is closed, so nobody is disturbed
            yield
            return
        printed = os.memfd_create("stderr", os.MFD_CLOEXEC)
        os.dup2(printed, STDERR)
        try:
            yield
        finally:
            os.dup2(stderr, STDERR)
            with os.fdopen(printed, "rb") as file, os.fdopen(stderr, "wb") as out:
                file.seek(0)
                out.write(MPG123.sub(b"", file.read()))


def _source(file: IO[bytes] | io.RawIOBase) -> int | IO[bytes] | io.RawIOBase:
    """The descriptor where there is one: by a file's name, libsndfile would take some for raw samples."""
    try:
        return file.fileno()
    except io.UnsupportedOperation:
        return file
