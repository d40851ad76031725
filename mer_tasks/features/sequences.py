"""What representations make of a frozen network's output over time: a mean of all of it, or a short sequence."""

import numpy as np

N_PATCHES = 10
"""Patches of 3 s in the 30 s that an image shows."""

N_WINDOWS = 5
"""Windows of a third of an image, 10 s, each half a window after the one before."""


def mean_over_time(steps: np.ndarray) -> np.ndarray:
    """The mean of steps, shape (n, columns), float32.

    In double precision, so that a column that is constant stays so whatever the number of steps.
    """
    mean: np.ndarray = steps.mean(axis=0, dtype=np.float64)
    return mean.astype(np.float32)


def ten_patches(patches: np.ndarray) -> np.ndarray:
    """The first ten of a clip's patches, shape (n, columns), as an array of shape (columns, 10).

    A shorter clip begins again: silence would be a sound of its own to the network.
    """
    return np.ascontiguousarray(patches[np.arange(N_PATCHES) % len(patches)].T)


def five_windows(steps: np.ndarray) -> np.ndarray:
    """The means over five windows of steps, shape (n, columns), as an array of shape (columns, 5)."""
    starts = np.arange(N_WINDOWS) * len(steps) // (N_WINDOWS + 1)
    length = max(1, 2 * len(steps) // (N_WINDOWS + 1))
    return np.stack([mean_over_time(steps[start : start + length]) for start in starts], axis=1)
