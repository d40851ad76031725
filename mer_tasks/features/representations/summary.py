"""Statistics over the frames of a clip, for models that read tables (docs/features.md)."""

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


class Settings(RepresentationSettings):
    """There is nothing to set."""


def names(params: Params) -> tuple[str, ...]:
    """The names of the statistics, in order."""
    from mer_tasks.features.summary import summary_names

    return summary_names(params.features)


def parts(params: Params, network: Path | None, device: str) -> "tuple[Part, ...]":
    """The statistics."""
    from mer_tasks.features.parts import summary_part

    return (summary_part(params.features, device),)


def assemble(parts: Sequence[np.ndarray], settings: RepresentationSettings) -> np.ndarray:
    """The statistics, float32 of shape (n,)."""
    return parts[0]
