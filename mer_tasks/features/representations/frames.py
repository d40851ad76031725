"""Frame features as they are, in their own units, for models that read a sequence of frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mer_tasks.settings import Kept, Params, RepresentationSettings, StackSettings

if TYPE_CHECKING:
    from mer_tasks.features.parts import Part

KEPT: Kept = "array"
CODE: tuple[str, ...] = ()
NETWORK_FILES: tuple[str, ...] = ()


class Settings(StackSettings):
    """Which frame features, from the top row down."""


def names(params: Params) -> tuple[str, ...]:
    """What each row holds, from the top down, such as `mfcc_0`."""
    from mer_tasks.features.frames import stack_rows
    from mer_tasks.features.representations import settings_of

    return stack_rows(settings_of(params, "frames", Settings).stack, params.features)


def n_frames(params: Params) -> int:
    """Frames that an array has."""
    from mer_tasks.features.clip import n_image_frames

    return n_image_frames(params.features)


def parts(params: Params, network: Path | None, device: str) -> "tuple[Part, ...]":
    """The frame features of the stack."""
    from mer_tasks.features.parts import block_parts
    from mer_tasks.features.representations import settings_of

    return block_parts(settings_of(params, "frames", Settings).stack, params.features, device)


def assemble(parts: Sequence[np.ndarray], settings: RepresentationSettings) -> np.ndarray:
    """The features on top of each other, float32 of shape (rows, frames)."""
    return np.vstack(parts)
