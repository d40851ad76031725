"""Arrays in memory or on a GPU: NumPy's and torch's share the few functions that transforms need.

So the same code computes on both, and gives the same numbers but for the order of sums.
"""

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    import torch

    Array = np.ndarray | torch.Tensor


def put(array: np.ndarray, device: str) -> "Array":
    """`array` itself on "cpu"; a tensor on any other device that torch knows."""
    if device == "cpu":
        return array
    import torch  # not needed without a GPU, and slow to load in each process

    return torch.from_numpy(array).to(device)


def fetch(array: "Array") -> np.ndarray:
    """`array` in memory."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def module_of(array: "Array") -> ModuleType:
    """The library that computes with `array`: NumPy or torch."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def frames_of(y: "Array", length: int, hop_length: int) -> "Array":
    """Frames of `length` samples every `hop_length`, a view of `y` of shape (frames, length)."""
    if isinstance(y, np.ndarray):
        return sliding_window_view(y, length)[::hop_length]
    return y.unfold(0, length, hop_length)
