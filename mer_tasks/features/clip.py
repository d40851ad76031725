"""All that is computed from a clip's samples."""

from typing import NamedTuple

import numpy as np

from mer_tasks.features.frames import Frames, frames_of, magnitude_of, n_frames
from mer_tasks.features.image import fix_length
from mer_tasks.features.summary import song_summary
from mer_tasks.settings import Features


class ClipFeatures(NamedTuple):
    """A clip's frames, over the time that an image shows, and the statistics of those that sound."""

    frames: Frames
    summary: dict[str, float]


def describe(y: np.ndarray, settings: Features) -> ClipFeatures:
    """Compute the features of one channel `y`, shape (n,), at `settings.sr` Hz.

    Frames are of `y` padded or cut to an image's length; the summary leaves the padding out.
    """
    fixed = fix_length(y, settings)
    magnitude = magnitude_of(fixed, settings)
    frames = frames_of(fixed, magnitude, settings)
    heard = fixed[: len(y)]
    n = n_frames(len(heard), settings)
    return ClipFeatures(frames, song_summary(heard, magnitude[:, :n], frames.first(n), settings))


def summary_names(settings: Features) -> tuple[str, ...]:
    """The names of a summary's statistics, in order."""
    tone = np.sin(np.arange(settings.sr, dtype=np.float32))
    return tuple(describe(tone, settings).summary)
