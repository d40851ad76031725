"""The statistics of `summary` that say how a sound is perceived, after PsySound.

Cabrera, "PsySound: a computer program for the psychoacoustical analysis of music", Mikropolyphonie 5, 1999. It gives
level, loudness and its spectrum, sharpness, timbral width, dissonance and tonalness; what stands for them here is
level, loudness and the level of coarse mel bands, centroid, bandwidth, roughness and flatness.
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

FAMILY = ("rms_db_", "loudness_", "mel_", "centroid_log_", "bandwidth_log_", "roughness_", "flatness_log_")
"""How the names of the statistics begin."""


class Settings(RepresentationSettings):
    """There is nothing to set."""


def names(params: Params) -> tuple[str, ...]:
    """The names of the statistics, in the order of `summary`."""
    from mer_tasks.features.families import family_names

    return family_names(params.features, FAMILY)


def parts(params: Params, network: Path | None, device: str) -> "tuple[Part, ...]":
    """The statistics of this family."""
    from mer_tasks.features.families import family_part

    return (family_part("psychoacoustic", FAMILY, params.features, device),)


def assemble(parts: Sequence[np.ndarray], settings: RepresentationSettings) -> np.ndarray:
    """The statistics, float32 of shape (n,)."""
    return parts[0]
