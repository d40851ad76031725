"""Audio files of any kind as arrays: libsndfile where it can, ffmpeg where it cannot."""

import io
import math
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np
import soundfile
import soxr

from mer_tasks.audio.libsndfile import Content, open_sound
from mer_tasks.errors import InputError
from mer_tasks.files import naming_full, open_regular

FFMPEG_LIMIT_S = 120
LONGEST_S = 3600.0
"""No more than this is decoded at once: an hour of stereo at 44.1 kHz already fills 1.3 GB."""

SHORT_S = 0.1
"""How much less than asked for libsndfile may give before ffmpeg is asked as well: a header may promise too little."""

LARGEST = 2.0**32
"""Times full scale: no samples are on so large a scale, not even those of 32-bit integers."""

FAR_OVER = 2.0
"""Samples beyond this are on another scale, such as that of 16-bit integers; what is lossy may go a little over 1."""

BY_SAMPLES = "asetpts=N/SR/TB"
"""Time as ffmpeg counts it from the first sample on, whatever the container says: its sound may begin late."""

NO_SIZES = (b"RF64", slice(28, 36))
"""A WAV of 64-bit sizes, and where the size of its samples is (EBU Tech 3306)."""


class AudioError(InputError):
    """A song's audio cannot be used. The message is one line: the file's name and the reason."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Decoded audio: `y` of shape (n_channels, n), float32, at `sr` Hz; 1 is full scale."""

    y: np.ndarray
    sr: int

    @property
    def duration_s(self) -> float:
        """How long it sounds, in seconds."""
        return float(self.y.shape[1] / self.sr)

    @property
    def channels(self) -> int:
        """How many channels it has."""
        return int(self.y.shape[0])


def decode(source: Path | bytes, start_s: float = 0.0, duration_s: float | None = None) -> Sound:
    """The audio of a file, or of a file's bytes, from `start_s` on for `duration_s` seconds.

    A damaged file gives what can be decoded; the name's ending, a cover picture and the time at which a
    container lets the sound begin do not matter. The first audio stream counts, and no more than `LONGEST_S`
    of it. Samples on a scale of integers are brought to full scale.

    Raises:
        AudioError: there is no such file, no audio in it, or none where it was asked for.
    """
    length_s = min(duration_s or LONGEST_S, LONGEST_S)
    sound = _decode(source, start_s, length_s, expected_s=SHORT_S if duration_s is None else length_s)
    if sound.y.size == 0:
        raise AudioError(f"{name_of(source)}: no audio at {start_s:.1f} s")
    if not np.isfinite(sound.y).all():
        raise AudioError(f"{name_of(source)}: holds samples that are not numbers")
    return Sound(_at_full_scale(sound.y, name_of(source)), sound.sr)


def _at_full_scale(y: np.ndarray, name: str) -> np.ndarray:
    """Channels, shape (n_channels, n), brought to full scale if they are far over it; an offset is taken off first."""
    peak = np.abs(y).max()
    if peak > LARGEST:
        raise AudioError(
            f"{name}: holds samples of {peak:.0e} times full scale, as damaged audio does; export it again"
        )
    if peak <= FAR_OVER:
        return y
    y = y - y.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    peak = np.abs(y).max()
    return y / peak if peak > FAR_OVER else y


def duration_of(source: Path | bytes) -> float:
    """How many seconds of audio a file really holds; its packets are counted, headers are not believed.

    Raises:
        AudioError: there is no such file, or no audio in it.
    """
    promised_s = _promised_s(source)
    # a container that libsndfile does not know may skip times, so that only samples count
    how = ["-af", BY_SAMPLES] if promised_s is None else ["-c", "copy"]
    try:
        report = run_ffmpeg(source, [], [*how, "-f", "null", "-progress", "pipe:1", "-"]).decode()
    except AudioError:
        if not promised_s:
            raise
        return promised_s  # AIFF or W64 without sizes: libsndfile takes the file's own
    times = re.findall(r"out_time_us=(\d+)", report)
    if not times or times[-1] == "0":
        raise AudioError(f"{name_of(source)}: holds no audio")
    return int(times[-1]) / 1e6


def mono(sound: Sound, sr: int) -> np.ndarray:
    """One channel (the mean of all) at `sr` Hz, shape (n,), as `librosa.load(…, sr=sr)` gives it, its mean taken off.

    A constant offset is inaudible, but zero crossings and powers depend on it.
    """
    y: np.ndarray = sound.y.mean(axis=0)
    y -= y.mean(dtype=np.float64)
    if sound.sr == sr:
        return y
    n = math.ceil(len(y) * sr / sound.sr)
    resampled = soxr.resample(y, sound.sr, sr, quality="HQ")[:n]
    return np.pad(resampled, (0, n - len(resampled)))


def name_of(source: Path | bytes) -> str:
    """What a message calls a source: the file's name, or "audio" for bytes."""
    return source.name if isinstance(source, Path) else "audio"


def _decode(source: Path | bytes, start_s: float, length_s: float, expected_s: float) -> Sound:
    """By libsndfile, or by ffmpeg where that gives more."""
    try:
        sound = _decode_with_libsndfile(source, start_s, length_s)
    except soundfile.SoundFileError:
        return _decode_with_ffmpeg(source, start_s, length_s)
    if sound.duration_s >= expected_s - SHORT_S and sound.y.size:
        return sound
    try:
        other = _decode_with_ffmpeg(source, start_s, length_s)
    except AudioError:
        return sound
    return other if other.duration_s > sound.duration_s + SHORT_S else sound


def _decode_with_libsndfile(source: Path | bytes, start_s: float, length_s: float) -> Sound:
    with opened(source) as file, open_sound(file) as sound:
        sr = sound.samplerate
        if start_s > 0:
            sound.seek(min(round(start_s * sr), sound.frames))
        y = sound.read(round(length_s * sr), dtype="float32", always_2d=True)
    return Sound(np.ascontiguousarray(y.T), sr)


def _decode_with_ffmpeg(source: Path | bytes, start_s: float, length_s: float) -> Sound:
    where = f"{BY_SAMPLES},atrim=start={start_s:.6f}:duration={length_s:.6f}"
    wav = run_ffmpeg(source, [], ["-af", where, "-c:a", "pcm_f32le", "-bitexact", "-f", "wav", "-"])
    y, sr = soundfile.read(io.BytesIO(wav), dtype="float32", always_2d=True)
    return Sound(np.ascontiguousarray(y.T), sr)


def _promised_s(source: Path | bytes) -> float | None:
    """How long libsndfile takes a file to be, from its header; None for one that it cannot read."""
    try:
        with opened(source) as file, open_sound(file) as sound:
            return float(sound.frames / sound.samplerate)
    except soundfile.SoundFileError:
        return None


def run_ffmpeg(source: Path | bytes, before: list[str], after: list[str]) -> bytes:
    """What ffmpeg writes for the first audio stream of `source`, with options before and after it.

    The file comes in as descriptor 0 and no other protocol is allowed, so that a playlist
    dressed up as a song cannot make ffmpeg read other files or addresses.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-nostats", "-v", "error"]
    with _on_disk(source) as file:
        command += ["-protocol_whitelist", "fd", *before, *_without_sizes(file)]
        command += ["-i", "fd:", "-map", "0:a:0", *after]
        try:
            done = subprocess.run(
                command, check=False, stdin=file, capture_output=True, timeout=FFMPEG_LIMIT_S
            )
        except subprocess.TimeoutExpired as error:
            raise AudioError(f"{name_of(source)}: not decoded within {FFMPEG_LIMIT_S} s") from error
    if done.returncode != 0 and not done.stdout:
        raise AudioError(f"{name_of(source)}: {_reason(done.stderr.decode(errors='replace'))}")
    return done.stdout


def _without_sizes(file: IO[bytes]) -> list[str]:
    """ffmpeg's options for a WAV whose recorder ended before it wrote the sizes of 64 bits."""
    head = os.pread(file.fileno(), 36, 0)
    magic, size = NO_SIZES
    return ["-f", "wav", "-ignore_length", "1"] if head.startswith(magic) and not any(head[size]) else []


def _reason(message: str) -> str:
    """What ffmpeg's message means for a person."""
    if "0:a:0" in message:
        return "has no audio stream"
    return "is not audio that libsndfile or ffmpeg can read; fetch or export it again, as mp3 for instance"


@contextmanager
def opened(source: Path | bytes) -> Iterator[IO[bytes]]:
    """`source` as a seekable binary file."""
    if isinstance(source, bytes):
        yield Content(source)
        return
    try:
        file = open_regular(source)
    except OSError as error:
        raise AudioError(f"{source.name}: cannot be opened: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def _on_disk(source: Path | bytes) -> Iterator[IO[bytes]]:
    """`source` as a file with a descriptor, for another process to seek in."""
    if isinstance(source, Path):
        with opened(source) as file:
            yield file
        return
    with tempfile.TemporaryFile() as file:
        with naming_full(Path(tempfile.gettempdir())):
            file.write(source)
            file.seek(0)
        yield file
