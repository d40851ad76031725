"""The penultimate layer of MSD_musicnn for each 3 s of a clip, for models that read a sequence."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mer_tasks.features.representations import musicnn
from mer_tasks.settings import Kept, Params, RepresentationSettings

if TYPE_CHECKING:
    from mer_tasks.features.parts import Part

KEPT: Kept = "array"
CODE: tuple[str, ...] = ("mer_tasks.features.sequences",)
NETWORK_FILES: tuple[str, ...] = musicnn.NETWORK_FILES
LICENCE = musicnn.LICENCE

N_PENULTIMATE = 200


class Settings(RepresentationSettings):
    """None: the network is what it was trained to be."""


def names(params: Params) -> tuple[str, ...]:
    """A name for each number of the layer."""
    return tuple(f"penultimate_{i}" for i in range(N_PENULTIMATE))


def n_frames(params: Params) -> int:
    """Patches that an array has."""
    from mer_tasks.features.sequences import N_PATCHES

    return N_PATCHES


def check_network(params: Params) -> None:
    """See whether the package with the weights is there, and clips are long enough.

    Raises:
        InputError: it is not, or clips may be shorter than what the network reads.
    """
    musicnn.check_network(params)


def write_network(params: Params, folder: Path) -> Mapping[str, Any]:
    """Write the network's weights into `folder`.

    Raises:
        InputError: the package that ships them is not installed, or not that of version 0.1.0.
    """
    return musicnn.write_network(params, folder)


def parts(params: Params, network: Path | None, device: str) -> "tuple[Part, ...]":
    """The network's output for each patch, which `musicnn` has as well.

    Raises:
        InputError: the weights are missing or damaged.
    """
    return musicnn.parts(params, network, device)


def assemble(parts: Sequence[np.ndarray], settings: RepresentationSettings) -> np.ndarray:
    """The layer of ten patches, float32 of shape (200, 10)."""
    from mer_tasks.features.sequences import ten_patches

    return ten_patches(parts[0][:, musicnn.N_POOLED_AND_TAGS :])
