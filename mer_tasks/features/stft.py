"""The short-time Fourier transform that most features share, bit for bit librosa's."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy.signal import get_window

from mer_tasks.features.arrays import fetch, frames_of, module_of, put

FRAMES_AT_ONCE = 64
"""Frames that are transformed together: few enough for them to stay in a core's cache."""


def n_frames(n_samples: int, hop_length: int) -> int:
    """How many frames librosa makes of so many samples."""
    return 1 + n_samples // hop_length


def chunks(n: int, size: int) -> Iterator[slice]:
    """The places of `n` frames, `size` at a time."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def magnitude_of(y: np.ndarray, n_fft: int, hop_length: int, device: str = "cpu") -> np.ndarray:
    """|STFT| with a Hann window of one channel `y`, shape (n,): float32 of shape (1 + n_fft / 2, frames).

    As librosa does, in double precision and then rounded: in single precision what is 70 dB below the
    loudest would be noise of the transform. A frame's bins lie side by side in memory. `device` as torch
    names it: there it is computed.
    """
    frames = frames_of(put(np.pad(y, n_fft // 2), device), n_fft, hop_length)
    window, xp = put(_hann(n_fft), device), module_of(frames)
    magnitude = np.empty((len(frames), n_fft // 2 + 1), np.float32)
    for place in chunks(len(frames), FRAMES_AT_ONCE):
        spectrum = xp.asarray(xp.fft.rfft(frames[place] * window), dtype=xp.complex64)
        magnitude[place] = fetch(xp.abs(spectrum))
    return magnitude.T


@lru_cache
def _hann(n_fft: int) -> np.ndarray:
    return get_window("hann", n_fft)
