"""Loudness as broadcasters measure it, from one pass through its filters."""

import warnings

import numpy as np
import pyloudnorm
import scipy.signal

STEPS_HZ = 100
"""Steps a second of which the meter is given the level: blocks and their overlaps are whole steps of 10 ms."""

QUIETEST_LUFS = -70.0
"""The absolute gate of EBU R 128: what is quieter counts as silence."""

SHORTEST_S = 4.0
"""A loudness range takes blocks of 3 s; a shorter clip is padded."""


def programme_loudness(y: np.ndarray, sr: int) -> tuple[float, float]:
    """Integrated loudness in LUFS, at least -70, and loudness range in LU (EBU R 128, Tech 3342).

    `y` is one channel, shape (n,), at `sr` Hz. pyloudnorm's meter does the gating; it sees nothing of a
    signal but mean squares of blocks, so steps of the same mean square do as well and are few. How the
    filters ring after the end does not count.
    """
    padded = np.pad(y, (0, max(0, round(SHORTEST_S * sr) - len(y))))
    levels = _levels(_weighted(padded, sr), sr)
    meter = pyloudnorm.Meter(STEPS_HZ, filter_class="custom")  # without filters: they come before the steps
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # silence has no mean of loud blocks
        lufs, range_lu = meter.integrated_loudness(levels), meter.loudness_range(levels)
    return max(float(lufs), QUIETEST_LUFS), float(np.nan_to_num(range_lu))


def _weighted(y: np.ndarray, sr: int) -> np.ndarray:
    """`y` as loud as it sounds at each frequency, float64: the K-weighting of BS.1770."""
    filters = pyloudnorm.Meter(sr)._filters.values()  # the library shows its coefficients nowhere else
    return scipy.signal.sosfilt([[*stage.b, *stage.a] for stage in filters], y)


def _levels(y: np.ndarray, sr: int) -> np.ndarray:
    """The root mean square of each step, the last one filled up with silence; `y` becomes its square."""
    edges = np.arange(-(-len(y) * STEPS_HZ // sr)) * sr // STEPS_HZ
    return np.sqrt(np.add.reduceat(np.square(y, out=y), edges) * STEPS_HZ / sr)
