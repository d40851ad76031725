"""MSD_musicnn: from patches of mel bands to what its layers hold over time, and to 50 tags.

Architecture: Pons et al., "End-to-end learning for music audio tagging at scale", ISMIR 2018. Most of its filters
are zero, so that their channels hold a constant: only the others are computed. A convolution of one channel is a
few matrix products, each of which gives several places at a time.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mer_tasks.features.arrays import fetch, module_of, put

if TYPE_CHECKING:
    from mer_tasks.features.arrays import Array

FRAMES, BANDS = 187, 96
"""The shape of a patch."""

AT_ONCE = 8
"""Places that a matrix product gives: more take fewer products, but more zeros."""

TIMBRAL, TEMPORAL, MIDDLE = (
    ("conv2d", "conv2d_1"),
    ("conv2d_2", "conv2d_3", "conv2d_4"),
    ("conv2d_5", "conv2d_6", "conv2d_7"),
)

TIME = 7
"""Frames that timbral filters and those of the middle look at."""

SMALLEST = 1e-6
"""A filter whose weights sum to less, without their signs, is zero: its channel is constant in single precision."""


class Output(NamedTuple):
    """What the network holds of patches, float32: shape (patches, 753) twice, (patches, 200), (patches, 50)."""

    mean: np.ndarray
    max: np.ndarray
    penultimate: np.ndarray
    tags: np.ndarray


class _Activation(NamedTuple):
    """Bias, ReLU and batch normalisation of the filters that are not zero, and all channels from them.

    A filter whose normalisation turns the order round has `sign` -1: what is largest after it was smallest before.
    """

    sign: "Array"
    bias: "Array"
    spread: "Array"
    rest: "Array"

    def __call__(self, x: "Array") -> "Array":
        return (x * self.sign + self.bias).clip(0) @ self.spread + self.rest


class _Layer(NamedTuple):
    """A convolution: its weights, of shape (places, in, out) or as matrix products, and what follows."""

    kernel: "Array"
    taps: int
    activation: _Activation


class MusicNetwork:
    """The frozen network with the weights of `state` on `device`, as torch names it."""

    def __init__(self, state: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        """Prepare all that does not depend on the patches."""
        self._state, self._device = state, device
        self._input = tuple(float(value[0]) for value in self._norm("batch_normalization"))
        names = [*TIMBRAL, *TEMPORAL, *MIDDLE]
        self._layers = {name: self._layer(name, i + 1) for i, name in enumerate(names)}
        self._pooled_norm = self._placed(*self._norm("batch_normalization_9"))
        self._dense_norm = self._placed(*self._norm("batch_normalization_10"))
        self._dense, self._tags = (
            self._placed(state[f"{name}/kernel"], state[f"{name}/bias"]) for name in ("dense", "dense_1")
        )

    def __call__(self, patches: np.ndarray) -> Output:
        """The network's output for patches, float32 of shape (patches, 187, 96)."""
        scale, offset = self._input
        x = patches * np.float32(scale) + np.float32(offset)
        front = [*map(self._timbral, TIMBRAL, [x] * 2), *map(self._temporal, TEMPORAL, [x] * 3)]
        xp = module_of(front[0])
        layers = [xp.concatenate(front, 2)]
        for name in MIDDLE:
            new = self._middle(name, layers[-1])
            layers.append(new if name == MIDDLE[0] else new + layers[-1])
        mean = xp.concatenate([layer.mean(1) for layer in layers], 1)
        highest = xp.concatenate([xp.amax(layer, 1) for layer in layers], 1)
        penultimate, tags = self._head(xp.stack([highest, mean], 2).reshape(len(patches), -1))
        return Output(*map(fetch, (mean, highest, penultimate, tags)))

    def _timbral(self, name: str, x: np.ndarray) -> "Array":
        """The strongest answer over frequency of filters over time and frequency, shape (patches, 187, out)."""
        layer = self._layers[name]
        windows = sliding_window_view(np.pad(x, ((0, 0), (TIME // 2,) * 2, (0, 0))), TIME, axis=1)
        rows = put(np.ascontiguousarray(windows).reshape(-1, BANDS * TIME), self._device)
        xp, highest = module_of(rows), None
        for start in _starts(BANDS - layer.taps + 1):
            columns = rows[:, start * TIME : (start + layer.taps + AT_ONCE - 1) * TIME]
            found = xp.amax((columns @ layer.kernel).reshape(len(rows), AT_ONCE, -1), 1)
            highest = found if highest is None else xp.maximum(highest, found)
        assert highest is not None
        return layer.activation(highest.reshape(len(x), FRAMES, -1))

    def _temporal(self, name: str, x: np.ndarray) -> "Array":
        """The strongest answer over frequency of filters over time, shape (patches, 187, out)."""
        layer = self._layers[name]
        around = ((layer.taps - 1) // 2, layer.taps // 2)
        padded = np.pad(x.transpose(0, 2, 1), ((0, 0), (0, 0), around))
        rows = put(padded.reshape(len(x) * BANDS, -1), self._device)
        xp, found = module_of(rows), []
        for start in range(0, FRAMES, AT_ONCE):
            n = min(AT_ONCE, FRAMES - start)
            columns = rows[:, start : start + layer.taps + n - 1]
            answers = columns @ layer.kernel[: layer.taps + n - 1]
            found.append(xp.amax(answers.reshape(len(x), BANDS, AT_ONCE, -1), 1)[:, :n])
        return layer.activation(xp.concatenate(found, 1))

    def _middle(self, name: str, x: "Array") -> "Array":
        """Filters over time and all channels, shape (patches, 187, 64)."""
        layer, xp, edge = self._layers[name], module_of(x), x[:, : TIME // 2] * 0
        padded = xp.concatenate([edge, x, edge], 1)
        return layer.activation(sum(padded[:, i : i + FRAMES] @ layer.kernel[i] for i in range(TIME)))

    def _head(self, pooled: "Array") -> "tuple[Array, Array]":
        """The penultimate layer and the tags."""
        (scale, offset), (weights, bias) = self._pooled_norm, self._dense
        hidden = ((pooled * scale + offset) @ weights + bias).clip(0)
        (scale, offset), (weights, bias) = self._dense_norm, self._tags
        penultimate = hidden * scale + offset
        return penultimate, 1 / (1 + module_of(pooled).exp(-(penultimate @ weights + bias)))

    def _layer(self, name: str, norm: int) -> _Layer:
        kernel, bias = self._state[f"{name}/kernel"][:, :, 0], self._state[f"{name}/bias"]
        scale, offset = self._norm(f"batch_normalization_{norm}")
        live = np.flatnonzero(np.abs(kernel).sum(axis=(0, 1)) >= SMALLEST)
        sign = np.where(scale[live] < 0, -1, 1) if name not in MIDDLE else np.ones(len(live))
        spread = np.zeros((len(live), len(bias)))
        spread[np.arange(len(live)), live] = scale[live]
        rest = scale * np.maximum(bias, 0) + offset
        rest[live] = offset[live]
        activation = _Activation(*self._placed(sign, bias[live], spread, rest))
        kernel = kernel[:, :, live] * sign
        if name in MIDDLE:
            return _Layer(self._placed(kernel)[0], TIME, activation)
        over = kernel.transpose(1, 0, 2) if name in TIMBRAL else kernel
        return _Layer(self._placed(_as_product(over))[0], len(over), activation)

    def _norm(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A batch normalisation as a factor and an offset a channel."""
        gamma, beta, mean, variance = (
            self._state[f"{name}/{part}"].astype(float)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + 1e-3)
        return scale, beta - mean * scale

    def _placed(self, *arrays: np.ndarray) -> "Sequence[Array]":
        return [put(np.array(array, np.float32, order="C"), self._device) for array in arrays]


def _starts(n: int) -> list[int]:
    """Where products begin that together give `n` places; the last may overlap."""
    return [*range(0, n - AT_ONCE, AT_ONCE), n - AT_ONCE]


def _as_product(kernel: np.ndarray) -> np.ndarray:
    """A matrix that gives `AT_ONCE` places next to each other of a convolution over the first axis.

    `kernel` has shape (taps, width, out); the matrix ((taps + AT_ONCE - 1) width, AT_ONCE out).
    """
    taps, width, out = kernel.shape
    matrix = np.zeros((taps + AT_ONCE - 1, width, AT_ONCE, out))
    for place in range(AT_ONCE):
        matrix[place : place + taps, :, place] = kernel
    return matrix.reshape(-1, AT_ONCE * out)
