"""Audio files of any kind as arrays: libsndfile where it can, ffmpeg where it cannot."""

import io
import math
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

from mer_tasks.errors import InputError

FFMPEG_LIMIT_S = 120
LONGEST_S = 3600.0
"""No more than this is decoded at once: an hour of stereo at 44.1 kHz already fills 1.3 GB."""


class AudioError(InputError):
    """A song's audio cannot be used. The message is one line: the file's name and the reason."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Decoded audio: `y` of shape (n_channels, n), float32 in [-1, 1], at `sr` Hz."""

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

    A damaged file gives what can be decoded; the name's ending and a cover picture do not matter.
    The first audio stream counts, and no more than `LONGEST_S` of it.

    Raises:
        AudioError: there is no such file, no audio in it, or none where it was asked for.
    """
    length_s = min(duration_s or LONGEST_S, LONGEST_S)
    try:
        sound = _decode_with_soundfile(source, start_s, length_s)
    except (soundfile.SoundFileError, TypeError):  # TypeError: an ending such as .raw, whose rate is unknown
        sound = _decode_with_ffmpeg(source, start_s, length_s)
    if sound.y.size == 0:
        raise AudioError(f"{name_of(source)}: no audio at {start_s:.1f} s")
    if not np.isfinite(sound.y).all():
        raise AudioError(f"{name_of(source)}: holds samples that are not numbers")
    return sound


def duration_of(source: Path | bytes) -> float:
    """How many seconds of audio a file really holds; its packets are counted, headers are not believed.

    Raises:
        AudioError: there is no such file, or no audio in it.
    """
    options = ["-c", "copy", "-f", "null", "-progress", "pipe:1", "-"]
    report = run_ffmpeg(source, [], options).decode()
    times = re.findall(r"out_time_us=(\d+)", report)
    if not times or times[-1] == "0":
        raise AudioError(f"{name_of(source)}: holds no audio")
    return int(times[-1]) / 1e6


def mono(sound: Sound, sr: int) -> np.ndarray:
    """One channel (the mean of all) at `sr` Hz, shape (n,), as `librosa.load(…, sr=sr)` gives it."""
    y: np.ndarray = sound.y.mean(axis=0)
    if sound.sr == sr:
        return y
    n = math.ceil(len(y) * sr / sound.sr)
    resampled = soxr.resample(y, sound.sr, sr, quality="HQ")[:n]
    return np.pad(resampled, (0, n - len(resampled)))


def name_of(source: Path | bytes) -> str:
    """What a message calls a source: the file's name, or "audio" for bytes."""
    return source.name if isinstance(source, Path) else "audio"


def _decode_with_soundfile(source: Path | bytes, start_s: float, length_s: float) -> Sound:
    with _opened(source) as raw, soundfile.SoundFile(raw) as file:
        sr = file.samplerate
        if start_s > 0:
            file.seek(min(round(start_s * sr), file.frames))
        y = file.read(round(length_s * sr), dtype="float32", always_2d=True)
    return Sound(np.ascontiguousarray(y.T), sr)


def _decode_with_ffmpeg(source: Path | bytes, start_s: float, length_s: float) -> Sound:
    where = ["-ss", f"{start_s:.6f}", "-t", f"{length_s:.6f}"]
    wav = run_ffmpeg(source, where, ["-c:a", "pcm_f32le", "-bitexact", "-f", "wav", "-"])
    y, sr = soundfile.read(io.BytesIO(wav), dtype="float32", always_2d=True)
    return Sound(np.ascontiguousarray(y.T), sr)


def run_ffmpeg(source: Path | bytes, before: list[str], after: list[str]) -> bytes:
    """What ffmpeg writes for the first audio stream of `source`, with options before and after it.

    The file comes in as descriptor 0 and no other protocol is allowed, so that a playlist
    dressed up as a song cannot make ffmpeg read other files or addresses.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-nostats", "-v", "error"]
    command += ["-protocol_whitelist", "fd", *before, "-i", "fd:", "-map", "0:a:0", *after]
    with _on_disk(source) as file:
        try:
            done = subprocess.run(
                command, check=False, stdin=file, capture_output=True, timeout=FFMPEG_LIMIT_S
            )
        except subprocess.TimeoutExpired as error:
            raise AudioError(f"{name_of(source)}: not decoded within {FFMPEG_LIMIT_S} s") from error
    if done.returncode != 0 and not done.stdout:
        raise AudioError(f"{name_of(source)}: {_reason(done.stderr.decode(errors='replace'))}")
    return done.stdout


def _reason(message: str) -> str:
    """What ffmpeg's message means for a person."""
    if "0:a:0" in message:
        return "has no audio stream"
    return "is not audio that libsndfile or ffmpeg can read; fetch or export it again, as mp3 for instance"


@contextmanager
def _opened(source: Path | bytes) -> Iterator[IO[bytes]]:
    """`source` as a seekable binary file."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise AudioError(f"{source.name}: cannot be opened: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def _on_disk(source: Path | bytes) -> Iterator[IO[bytes]]:
    """`source` as a file with a descriptor, for another process to seek in."""
    if isinstance(source, Path):
        with _opened(source) as file:
            yield file
        return
    with tempfile.TemporaryFile() as file:
        file.write(source)
        file.seek(0)
        yield file
