"""What a frozen ResNet-18 makes of a clip's image; apart from its settings, so that only this code counts as its own."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mer_tasks.errors import InputError
from mer_tasks.features.image import song_image
from mer_tasks.networks.resnet18_backbone import FirstConvolution, backbone, columns_of
from mer_tasks.networks.resnet18_weights import read_weights

if TYPE_CHECKING:
    import torch

    from mer_tasks.features.parts import ClipParts, Part
    from mer_tasks.features.representations import image


class Weights(NamedTuple):
    """A file with weights, and the SHA-256 of its bytes."""

    path: Path
    sha256: str


def clip_columns(
    blocks: "tuple[Part, ...]",
    shown: "image.Settings",
    weights: Weights,
    first: FirstConvolution,
    device: str,
    clip: "ClipParts",
) -> np.ndarray:
    """The columns of the network's last layer for the image of a clip's `blocks`, shape (columns, 512).

    The image is `shown` as the settings have it.
    """
    picture = song_image({part.name: clip[part] for part in blocks}, shown)  # type: ignore[misc]
    return columns_of(network(weights, first, device), picture)


@lru_cache(maxsize=2)  # a challenger and a champion
def network(weights: Weights, first: FirstConvolution, device: str) -> "torch.nn.Module":
    """The network, loaded once a process.

    Raises:
        InputError: the weights cannot be read, or are another network's.
    """
    try:
        return backbone(read_weights(weights.path), first, device)
    except RuntimeError as error:
        raise InputError(
            f"{weights.path}: not the weights of this network ({' '.join(str(error).split())[:120]});"
            " run mer features again"
        ) from error
