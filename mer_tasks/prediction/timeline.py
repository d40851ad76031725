"""The windows of a song, each as long as a clip, that moods through the song are asked for."""

import io
from collections.abc import Iterator
from pathlib import Path

import soundfile

from mer_tasks.audio.cut import SLACK_S
from mer_tasks.audio.decode import AudioError, Sound, decode, duration_of

BLOCK_S = 300.0
"""So much is decoded at once: memory stays flat, and a container that cannot be sought in is read few times."""


def window_starts(total_s: float, length_s: float, step_s: float) -> list[float]:
    """Where the windows of a song of `total_s` seconds start, a step apart; the last ends within a step of the end."""
    n_steps = int((total_s - length_s) / step_s + 1e-9)
    return [i * step_s for i in range(max(0, n_steps) + 1)]


def cut_windows(
    song: Path, length_s: float, step_s: float
) -> Iterator[tuple[float, float, Sound | AudioError]]:
    """Start, end and sound of each window; of a song no longer than a clip there is one.

    Where the rest is damaged, its error stands in the place of a sound and ends the windows.

    Raises:
        AudioError: there is no audio at all.
    """
    total_s = duration_of(song)
    if total_s <= length_s + SLACK_S:
        length_s = total_s
    block_s, block, block_start_s = max(BLOCK_S, 2 * length_s), None, 0.0
    for start_s in window_starts(total_s, length_s, step_s):
        if block is None or start_s + length_s > block_start_s + block_s:
            try:
                block, block_start_s = decode(song, start_s, block_s), start_s
            except AudioError as error:
                yield start_s, start_s + length_s, error
                return
        first = round((start_s - block_start_s) * block.sr)
        y = block.y[:, first : first + round(length_s * block.sr)]
        yield start_s, start_s + length_s, Sound(y, block.sr)


def write_wav(sound: Sound, path: Path) -> None:
    """Write a sound as a WAV file of floating point numbers: exactly what was decoded.

    Raises:
        OSError: it cannot be written.
    """
    wav = io.BytesIO()  # soundfile would not report that a disk is full
    soundfile.write(wav, sound.y.T, sound.sr, format="WAV", subtype="FLOAT")
    path.write_bytes(wav.getbuffer())
