"""The frames that everything computed from a clip is made of."""

from functools import cached_property
from typing import TYPE_CHECKING

import librosa
import numpy as np

from mer_tasks.features.frames import Frames, block_of
from mer_tasks.features.stft import n_frames

if TYPE_CHECKING:
    from mer_tasks.features.parts import ClipParts
    from mer_tasks.settings import Block, FeatureSettings

IMAGE_S = 30.0
"""How much time an image shows; a shorter clip is padded with silence, a longer one cut."""


class ClipFrames:
    """The frames of one channel `y`, shape (n,), at `settings.sr` Hz; `device` as torch names it."""

    def __init__(self, y: np.ndarray, settings: "FeatureSettings", device: str = "cpu") -> None:
        """Compute nothing yet."""
        self._n_samples = len(y)
        self.padded = Frames(fix_length(y, settings), settings, device)

    @cached_property
    def unpadded(self) -> Frames:
        """The frames of the clip's own samples, those of the padding left out."""
        return self.padded.first(self._n_samples)


def clip_block(name: "Block", clip: "ClipParts") -> np.ndarray:
    """A frame feature of the time that an image shows, float32 of shape (rows, frames)."""
    return block_of(clip.frames.padded, name)


def n_image_frames(settings: "FeatureSettings") -> int:
    """Frames of the time that an image shows."""
    return n_frames(round(IMAGE_S * settings.sr), settings.hop_length)


def fix_length(y: np.ndarray, settings: "FeatureSettings") -> np.ndarray:
    """`y` with exactly `IMAGE_S` seconds of samples."""
    return librosa.util.fix_length(y, size=round(IMAGE_S * settings.sr))
