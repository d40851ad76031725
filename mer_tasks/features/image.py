"""A clip as a picture for a convolutional network: features from the top row down, time from left to right."""

import librosa
import numpy as np

from mer_tasks.features.frames import Blocks, block_height
from mer_tasks.features.stft import n_frames
from mer_tasks.settings import Block, FeatureSettings

IMAGE_S = 30.0
"""How much time an image shows; a shorter clip is padded with silence, a longer one cut."""


def fix_length(y: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """`y` with exactly `IMAGE_S` seconds of samples."""
    return librosa.util.fix_length(y, size=round(IMAGE_S * settings.sr))


def song_image(blocks: Blocks, settings: FeatureSettings) -> np.ndarray:
    """The blocks of `settings.stack` on top of each other, scaled, float32 of shape (rows, frames).

    With the paper's settings, of 30 s, that is 161 × 1292.
    """
    shown = [_scaled(_shown(blocks[name], name, settings), settings) for name in settings.stack]
    return np.vstack(shown).astype(np.float32, copy=False)


def image_rows(settings: FeatureSettings) -> tuple[str, ...]:
    """What each row of an image shows, from the top down, such as `mfcc_0`."""
    return tuple(f"{name}_{row}" for name in settings.stack for row in range(block_height(name, settings)))


def image_shape(settings: FeatureSettings) -> tuple[int, int]:
    """Rows and frames of an image."""
    return len(image_rows(settings)), n_frames(round(IMAGE_S * settings.sr), settings.hop_length)


def _shown(block: np.ndarray, name: Block, settings: FeatureSettings) -> np.ndarray:
    if name == "mel" and settings.mel == "db":
        return librosa.power_to_db(block, ref=np.max)
    return block


def _scaled(block: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """Min-max to [0, 1] over the block or each of its rows; what is constant becomes 0."""
    if settings.scale == "none":
        return block
    axis = 1 if settings.scale == "row" else None
    low = block.min(axis=axis, keepdims=True)
    span = block.max(axis=axis, keepdims=True) - low
    return np.divide(block - low, span, out=np.zeros_like(block), where=span > 0)
