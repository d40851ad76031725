"""The output of the frozen ResNet-18 over windows of ten seconds, for models that read a sequence."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mer_tasks.features.representations import resnet18
from mer_tasks.settings import Kept, Params, RepresentationSettings

if TYPE_CHECKING:
    from mer_tasks.features.parts import Part

KEPT: Kept = "array"
CODE: tuple[str, ...] = ("mer_tasks.features.sequences",)
NETWORK_FILES: tuple[str, ...] = resnet18.NETWORK_FILES
LICENCE = resnet18.LICENCE
NEEDS: tuple[str, ...] = ("resnet18", *resnet18.NEEDS)


class Settings(RepresentationSettings):
    """None: the network is that of `resnet18`."""


def names(params: Params) -> tuple[str, ...]:
    """A name for each of the network's outputs."""
    return resnet18.names(params)


def n_frames(params: Params) -> int:
    """Windows that an array has."""
    from mer_tasks.features.sequences import N_WINDOWS

    return N_WINDOWS


def check_network(params: Params) -> None:
    """See whether the weights are there.

    Raises:
        InputError: a file is named that is not there.
    """
    resnet18.check_network(params)


def write_network(params: Params, folder: Path) -> Mapping[str, Any]:
    """Write the network's weights, a state dict, into `folder`; return the settings with where they came from.

    Raises:
        InputError: they cannot be had or do not fit.
    """
    return resnet18.write_network(params, folder)


def parts(params: Params, network: Path | None, device: str) -> "tuple[Part, ...]":
    """The columns of the network's last layer, which `resnet18` has as well.

    Raises:
        InputError: the weights are missing or damaged, or there is no image.
    """
    return resnet18.parts(params, network, device)


def assemble(parts: Sequence[np.ndarray], settings: RepresentationSettings) -> np.ndarray:
    """The means over five windows, float32 of shape (512, 5)."""
    from mer_tasks.features.sequences import five_windows

    return five_windows(parts[0])
