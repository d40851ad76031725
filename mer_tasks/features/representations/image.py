"""Frame features as a picture for a convolutional network: scaled, one on top of the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from mer_tasks.settings import Kept, Params, RepresentationSettings, StackSettings

if TYPE_CHECKING:
    from mer_tasks.features.parts import Part

KEPT: Kept = "array"
CODE: tuple[str, ...] = ("mer_tasks.features.image",)
NETWORK_FILES: tuple[str, ...] = ()


class Settings(StackSettings):
    """Which frame features, and how they are shown.

    `mel` bands are shown in dB below the loudest, or as power, as in the paper. `scale` is min-max to [0, 1] over
    each block, or over each row, as in the paper; or none.
    """

    mel: Literal["db", "power"]
    scale: Literal["block", "row", "none"]


def names(params: Params) -> tuple[str, ...]:
    """What each row shows, from the top down, such as `mfcc_0`."""
    from mer_tasks.features.frames import stack_rows
    from mer_tasks.features.representations import settings_of

    return stack_rows(settings_of(params, "image", Settings).stack, params.features)


def n_frames(params: Params) -> int:
    """Frames that an array has."""
    from mer_tasks.features.clip import n_image_frames

    return n_image_frames(params.features)


def parts(params: Params, network: Path | None, device: str) -> "tuple[Part, ...]":
    """The frame features of the stack."""
    from mer_tasks.features.parts import block_parts
    from mer_tasks.features.representations import settings_of

    return block_parts(settings_of(params, "image", Settings).stack, params.features, device)


def assemble(parts: Sequence[np.ndarray], settings: RepresentationSettings) -> np.ndarray:
    """The picture, float32 of shape (rows, frames)."""
    from mer_tasks.features.image import song_image

    assert isinstance(settings, Settings)
    return song_image(dict(zip(settings.stack, parts, strict=True)), settings)
