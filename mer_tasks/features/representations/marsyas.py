"""The statistics of `summary` that MARSYAS is known for: timbre, its texture, and the beat histogram.

Tzanetakis and Cook, "MARSYAS: a framework for audio analysis", Organised Sound 4(3), 2000, and "Musical genre
classification of audio signals", IEEE Transactions on Speech and Audio Processing 10(5), 2002. The MFCC are all of
those that there are, with their slope, where theirs were the first five.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mer_tasks.settings import Kept, Params, RepresentationSettings

if TYPE_CHECKING:
    from mer_tasks.features.parts import Part

KEPT: Kept = "table"
CODE: tuple[str, ...] = ()
NETWORK_FILES: tuple[str, ...] = ()

FAMILY = ("centroid_log_", "rolloff_log_", "zero_crossing_log_", "mfcc_", "texture_", "beat_")
"""How the names of the statistics begin; flux and the share of quiet frames are of the texture."""


class Settings(RepresentationSettings):
    """There is nothing to set."""


def names(params: Params) -> tuple[str, ...]:
    """The names of the statistics, in the order of `summary`."""
    from mer_tasks.features.families import family_names

    return family_names(params.features, FAMILY)


def parts(params: Params, network: Path | None, device: str) -> "tuple[Part, ...]":
    """The statistics of this family."""
    from mer_tasks.features.families import family_part

    return (family_part("marsyas", FAMILY, params.features, device),)


def assemble(parts: Sequence[np.ndarray], settings: RepresentationSettings) -> np.ndarray:
    """The statistics, float32 of shape (n,)."""
    return parts[0]
