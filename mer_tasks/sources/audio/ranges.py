"""The seconds of a song that make its clip, read from a server that sends ranges of bytes."""

import io
import re
from typing import NamedTuple

import numpy as np
import soundfile

from mer_tasks.audio.cut import window
from mer_tasks.audio.libsndfile import open_sound
from mer_tasks.settings import ClipSettings
from mer_tasks.sources.audio.contract import FetchError
from mer_tasks.sources.audio.site import Part, Site

BLOCK = 4 * 1024
"""Bytes that are asked for at least."""

MOST_BLOCKS = 32
"""Blocks that one request asks for at most, once reading goes straight on."""

LEAD_S = 0.2
"""Seconds decoded before an mp3's clip and thrown away: its first frames lean on earlier ones (90 ms at most)."""

UNSURE = (soundfile.SoundFileError, EOFError, ValueError, TypeError, AssertionError)
"""What a decoder raises on bytes that are no audio, or less of it than they promise."""


class PartialAudio(NamedTuple):
    """A song's clip: where it starts in seconds, its samples of shape (n, n_channels), their rate in Hz."""

    start_s: float
    y: np.ndarray
    sr: int


class RemoteFile(io.RawIOBase):
    """A file on a server, from byte `base` on, that can be read anywhere; it asks for what is read.

    libsndfile calls it, through which no exception passes: the first one is kept in `problem`, and
    from then on the file seems to end there.
    """

    def __init__(self, site: Site, first: Part) -> None:
        self._site, self._total, self._version = site, first.total, first.version
        self._blocks: dict[int, bytes] = {}
        self._keep(0, first.content)
        self._position, self._base, self._ahead = 0, 0, 1
        self.problem: Exception | None = None

    @property
    def n_bytes(self) -> int:
        """How long the file is, counted from its base."""
        return self._total - self._base

    def from_here(self, base: int) -> "RemoteFile":
        """The same file, as if it began `base` bytes later."""
        self._base += base
        self._position = 0
        return self

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.n_bytes}
        self._position = max(0, starts[whence] + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as the file goes: libsndfile takes a short read for the end."""
        n = 0
        while n < len(buffer) and (content := self._next(len(buffer) - n)):
            buffer[n : n + len(content)] = content
            n += len(content)
        return n

    def _next(self, n: int) -> bytes:
        """Up to `n` bytes from here, to the end of a block at most."""
        place = self._base + self._position
        number, within = divmod(place, BLOCK)
        if place >= self._total or not self._have(number):
            return b""
        content = self._blocks[number][within : within + n]
        self._position += len(content)
        return content

    def _have(self, number: int) -> bool:
        """Whether block `number` is here, or comes when asked for."""
        if number not in self._blocks and self.problem is None:
            try:
                self._ask_for(number)
            except Exception as error:  # noqa: BLE001 - libsndfile would print it and go on
                self.problem = error
        return number in self._blocks

    def _ask_for(self, number: int) -> None:
        """Get a block; where the one before is here, reading goes straight on, so get twice as many as last."""
        self._ahead = min(2 * self._ahead, MOST_BLOCKS) if number - 1 in self._blocks else 1
        last = min((number + self._ahead) * BLOCK, self._total) - 1
        part = self._site.part(number * BLOCK, last)
        if part is None or (part.total, part.version) != (self._total, self._version):
            raise EOFError("the server does not keep to its ranges")
        self._keep(number, part.content)

    def _keep(self, number: int, content: bytes) -> None:
        for offset in range(0, len(content), BLOCK):
            self._blocks[number + offset // BLOCK] = content[offset : offset + BLOCK]


def read_clip(site: Site, first: Part, clips: ClipSettings) -> PartialAudio | None:
    """The clip of the song whose file begins with `first`.

    None means that the whole song is needed: it is hardly longer than its clip, of unknown length or
    format, or the server's ranges are not what it announces.

    Raises:
        FetchError: the server stopped answering.
    """
    remote = RemoteFile(site, first)
    try:
        found = _read(remote, clips)
    except UNSURE:
        found = None
    if isinstance(remote.problem, FetchError | OSError):
        raise remote.problem
    return None if remote.problem else found


def clip_start_s(duration_s: float, clips: ClipSettings) -> float | None:
    """Where the clip of a song of this length starts.

    None for a song under two clips long: all of it is little more than the ranges would be.
    """
    if not 2 * clips.duration_s < duration_s < 24 * 3600:
        return None
    return window(duration_s, clips)[0]


def _read(remote: RemoteFile, clips: ClipSettings) -> PartialAudio | None:
    remote.from_here(_id3_bytes(_bytes_at(remote, 0, 10)))  # libsndfile takes a cover picture for sound
    with open_sound(remote) as song:
        sr, duration_s, is_mp3 = song.samplerate, song.frames / song.samplerate, song.format == "MP3"
        start_s = clip_start_s(duration_s, clips)
        if start_s is None:
            return None
        if not is_mp3:
            song.seek(round(start_s * sr))
            return _exactly(start_s, song, clips)
    return _from_mp3(remote, start_s, duration_s, clips)


def _exactly(start_s: float, song: soundfile.SoundFile, clips: ClipSettings) -> PartialAudio | None:
    """The clip of an open song that stands at its start; None if there is less of it."""
    n = round(clips.duration_s * song.samplerate)
    y = song.read(n, dtype="float32", always_2d=True)
    return PartialAudio(start_s, y, song.samplerate) if len(y) == n else None


def _from_mp3(
    remote: RemoteFile, start_s: float, duration_s: float, clips: ClipSettings
) -> PartialAudio | None:
    """The clip of an mp3, without reading all frames before it, as libsndfile would do to seek."""
    head = _bytes_at(remote, 0, 512)
    lead_s = min(LEAD_S, start_s)
    share = _share_of_bytes((start_s - lead_s) / duration_s, head)
    frame = _next_frame(remote, round(share * remote.n_bytes), head)
    if frame is None:
        return None
    with open_sound(remote.from_here(frame)) as song:
        song.read(round(lead_s * song.samplerate))
        return _exactly(start_s, song, clips)


def _bytes_at(remote: RemoteFile, place: int, n: int) -> bytes:
    remote.seek(place)
    return remote.read(n) or b""


def _id3_bytes(head: bytes) -> int:
    """How long an ID3v2 tag before the sound is, in bytes (id3.org, 2.4.0, section 3.1)."""
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    return 10 + size


def _share_of_bytes(share: float, head: bytes) -> float:
    """Which share of an mp3's bytes is played when this share of its time is.

    A "Xing" frame, which begins files of varying bit rate, has a table of 100 such shares in 256ths;
    it is true to about half a second in a song. Without one the bit rate is taken to be constant.
    """
    tag = head.find(b"Xing", 0, 256)
    if tag < 0 or not head[tag + 7] & 4:
        return share
    # Before the table there may be the numbers of frames and of bytes, according to the flags.
    at = tag + 8 + 4 * (head[tag + 7] & 1) + 4 * (head[tag + 7] >> 1 & 1)
    return float(np.interp(100 * share, np.arange(101), [*head[at : at + 100], 256])) / 256


def _next_frame(remote: RemoteFile, place: int, head: bytes) -> int | None:
    """Where the first frame from byte `place` on begins: four bytes like the first frame's.

    Bits that may differ from frame to frame (bit rate, padding, stereo mode) are not compared; a false
    find is skipped by the decoder.
    """
    content = _bytes_at(remote, place, BLOCK)
    for found in re.finditer(re.escape(head[:2]), content):
        third = content[found.end() : found.end() + 1]
        if third and (third[0] ^ head[2]) & 0x0C == 0:
            return place + found.start()
    return None
