"""A clip as a picture for a convolutional network: features from the top row down, time from left to right."""

from typing import TYPE_CHECKING

import librosa
import numpy as np

if TYPE_CHECKING:
    from mer_tasks.features.frames import Blocks
    from mer_tasks.features.representations.image import Settings
    from mer_tasks.settings import Block


def song_image(blocks: "Blocks", settings: "Settings") -> np.ndarray:
    """The blocks of `settings.stack` on top of each other, scaled, float32 of shape (rows, frames).

    With the paper's settings, of 30 s, that is 161 × 1292.
    """
    shown = [_scaled(_shown(blocks[name], name, settings), settings) for name in settings.stack]
    image: np.ndarray = np.vstack(shown).astype(np.float32, copy=False)
    return image


def _shown(block: np.ndarray, name: "Block", settings: "Settings") -> np.ndarray:
    if name == "mel" and settings.mel == "db":
        decibels: np.ndarray = librosa.power_to_db(block, ref=np.max)
        return decibels
    return block


def _scaled(block: np.ndarray, settings: "Settings") -> np.ndarray:
    """Min-max to [0, 1] over the block or each of its rows; what is constant becomes 0."""
    if settings.scale == "none":
        return block
    axis = 1 if settings.scale == "row" else None
    low = block.min(axis=axis, keepdims=True)
    span = block.max(axis=axis, keepdims=True) - low
    scaled: np.ndarray = np.divide(block - low, span, out=np.zeros_like(block), where=span > 0)
    return scaled
