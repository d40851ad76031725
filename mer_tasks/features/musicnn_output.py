"""What MSD_musicnn makes of a clip; apart from its settings, so that only this code counts as its own."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import librosa
import numpy as np
import soxr

from mer_tasks.audio.decode import AudioError
from mer_tasks.features.musicnn_network import BANDS, FRAMES, MusicNetwork
from mer_tasks.features.stft import magnitude_of, n_frames
from mer_tasks.networks.musicnn_weights import read_weights

if TYPE_CHECKING:
    from mer_tasks.features.parts import ClipParts

SR, N_FFT, HOP_LENGTH = 16_000, 512, 256
"""The signal that the network was trained on."""


class Weights(NamedTuple):
    """A file with weights, and the SHA-256 of its bytes."""

    path: Path
    sha256: str


def clip_patches(weights: Weights, sr: int, device: str, clip: "ClipParts") -> np.ndarray:
    """What the network holds of each of a clip's patches, float32 of shape (patches, 1756).

    In order the mean over time of 753 channels, their maximum over time, 50 tags, and the 200 numbers of the
    penultimate layer. `sr` is the clip's rate.

    Raises:
        AudioError: the clip is shorter than a patch, or its samples are too large for the network.
    """
    found = network(weights, device)(patches_of(clip.y, sr, device))
    values = np.concatenate([found.mean, found.max, found.tags, found.penultimate], axis=1)
    if not np.isfinite(values).all():
        raise AudioError("its samples are too large for musicnn; export it again with samples from -1 to 1")
    return values


def patches_of(y: np.ndarray, sr: int, device: str = "cpu") -> np.ndarray:
    """Patches of 3 s of mel bands, one after the other, of one channel `y`: float32 of shape (n, 187, 96).

    What is left at the end, or less than a patch, is dropped, as in the network's training.

    Raises:
        AudioError: `y` is shorter than a patch.
    """
    y = np.ascontiguousarray(y if sr == SR else soxr.resample(y, sr, SR, quality="HQ"), np.float32)
    n = n_frames(len(y), HOP_LENGTH) // FRAMES
    if not n:
        shortest = (FRAMES - 1) * HOP_LENGTH / SR
        raise AudioError(f"is {len(y) / SR:.2f} s long; musicnn needs {shortest:.2f} s")
    magnitude = magnitude_of(y, N_FFT, HOP_LENGTH, device)[:, : n * FRAMES]
    with np.errstate(over="ignore", invalid="ignore"):  # `clip_patches` looks at what comes of it
        mel = (_filters() @ magnitude**2).T
    patches: np.ndarray = np.log10(np.float32(10_000) * mel + np.float32(1)).reshape(n, FRAMES, BANDS)
    return patches


@lru_cache(maxsize=2)  # a challenger and a champion
def network(weights: Weights, device: str) -> MusicNetwork:
    """The network, loaded once a process.

    Raises:
        InputError: the weights cannot be read, or are another network's.
    """
    return MusicNetwork(read_weights(weights.path), device)


@lru_cache
def _filters() -> np.ndarray:
    return librosa.filters.mel(sr=SR, n_fft=N_FFT, n_mels=BANDS)
