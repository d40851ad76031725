"""All that is computed from a clip's samples."""

from typing import NamedTuple

import numpy as np

from mer_tasks.features.frames import Blocks, Frames, blocks_of
from mer_tasks.features.image import fix_length
from mer_tasks.features.summary import song_summary
from mer_tasks.settings import FeatureSettings


class ClipFeatures(NamedTuple):
    """The blocks of a clip's image, over the time that it shows, and the statistics of what sounds."""

    blocks: Blocks
    summary: dict[str, float]


def clip_frames(y: np.ndarray, settings: FeatureSettings, device: str = "cpu") -> tuple[Frames, Frames]:
    """The frames of one channel `y`, shape (n,), padded or cut to an image's length; and without the padding."""
    frames = Frames(fix_length(y, settings), settings, device)
    return frames, frames.first(len(y))


def describe(y: np.ndarray, settings: FeatureSettings) -> ClipFeatures:
    """Compute the features of one channel `y`, shape (n,), at `settings.sr` Hz."""
    frames, heard = clip_frames(y, settings)
    return ClipFeatures(blocks_of(frames, settings.stack), song_summary(heard))


def summary_names(settings: FeatureSettings) -> tuple[str, ...]:
    """The names of a summary's statistics, in order."""
    tone = np.sin(np.arange(settings.sr, dtype=np.float32))
    return tuple(song_summary(clip_frames(tone, settings)[1]))
