"""The output of a frozen ResNet-18 for a clip's image: 512 numbers, of which a classifier trains in seconds."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mer_tasks.errors import InputError
from mer_tasks.settings import Kept, Params, Positive, RepresentationSettings, load_machine

if TYPE_CHECKING:
    from mer_tasks.features.parts import Part
    from mer_tasks.networks.resnet18_backbone import FirstConvolution

KEPT: Kept = "table"
CODE: tuple[str, ...] = ("mer_tasks.features.sequences",)
WEIGHTS = "weights.pt"
NETWORK_FILES: tuple[str, ...] = (WEIGHTS,)
NEEDS: tuple[str, ...] = ("image",)
N_OUTPUTS = 512

LICENCE = """\
The weights of ResNet-18 that `weights: imagenet` names are torchvision's `IMAGENET1K_V1` (BSD 3-Clause, copyright (c)
Soumith Chintala 2016). They were trained on ImageNet, whose photographs are for non-commercial research and education.
Weights from a file have the licence of that file; random ones (`none`) have none."""


class Settings(RepresentationSettings):
    """The network: its weights, and the first convolution, which reads one channel.

    `weights` is `imagenet` (torchvision's download), `none` (random) or a path to a state dict; the variable
    MER_RESNET18_WEIGHTS goes before it. `conv1` is the sum of the pretrained three channels, or random.
    """

    weights: str
    conv1: Literal["sum", "random"]
    kernel_size: Positive
    stride: Positive
    padding: Annotated[int, Field(ge=0)]


def names(params: Params) -> tuple[str, ...]:
    """A name for each of the network's outputs."""
    return tuple(f"resnet18_{i}" for i in range(N_OUTPUTS))


def check_network(params: Params) -> None:
    """See whether the weights are there; torchvision's download is tried only when they are needed.

    Raises:
        InputError: a file is named that is not there.
    """
    weights = _weights(params)
    if weights not in ("imagenet", "none") and not Path(weights).is_file():
        raise InputError(
            f"representations.resnet18.weights: {weights}: no such file; give imagenet, none or a path"
        )


def write_network(params: Params, folder: Path) -> Mapping[str, Any]:
    """Write the network's weights, a state dict, into `folder`; return the settings with where they came from.

    Raises:
        InputError: they cannot be had or do not fit.
    """
    from mer_tasks.features.representations import settings_of
    from mer_tasks.networks.resnet18_weights import backbone_weights, save_weights

    settings, weights = settings_of(params, "resnet18", Settings), _weights(params)
    save_weights(backbone_weights(weights, settings.conv1 == "sum", _first(settings)), folder / WEIGHTS)
    # the name without the folder, which may be another one on another machine
    source = weights if weights in ("imagenet", "none") else Path(weights).name
    return settings.model_dump(mode="json") | {"weights": source}


def parts(params: Params, network: Path | None, device: str) -> "tuple[Part, ...]":
    """The columns of the network's last layer; they depend on the weights and on all that the image depends on.

    Raises:
        InputError: the weights are missing or damaged, or there is no image.
    """
    from mer_tasks.features.parts import Part
    from mer_tasks.features.representations import image, settings_of
    from mer_tasks.features.resnet18_output import Weights, clip_columns
    from mer_tasks.features.resnet18_output import network as load_network
    from mer_tasks.files import sha256_of

    settings, shown = settings_of(params, "resnet18", Settings), settings_of(params, "image", image.Settings)
    if network is None or not (network / WEIGHTS).is_file():
        raise InputError(f"{network or 'resnet18'}: holds no {WEIGHTS}; run mer features")
    weights = Weights(network / WEIGHTS, sha256_of(network / WEIGHTS))
    blocks, first = image.parts(params, None, device), _first(settings)
    load_network(weights, first, device)  # damaged weights are an error now, not at the first clip
    depends_on = {key: value for part in blocks for key, value in part.depends_on.items()} | {
        "image": shown.model_dump(mode="json"),
        "first_convolution": first,
        "network": weights.sha256,
        "device": device.partition(":")[0],
    }
    modules = {module for part in blocks for module in part.code}
    compute = partial(clip_columns, blocks, shown, weights, first, device)
    return (Part("resnet18_columns", depends_on, tuple(sorted(modules)), compute),)


def assemble(parts: Sequence[np.ndarray], settings: RepresentationSettings) -> np.ndarray:
    """The network's output, the mean of the columns, float32 of shape (512,)."""
    from mer_tasks.features.sequences import mean_over_time

    return mean_over_time(parts[0])


def _weights(params: Params) -> str:
    """Where the weights come from: the machine's variable goes before `params.yaml`."""
    from mer_tasks.features.representations import settings_of

    return load_machine().resnet18_weights or settings_of(params, "resnet18", Settings).weights


def _first(settings: Settings) -> "FirstConvolution":
    from mer_tasks.networks.resnet18_backbone import FirstConvolution

    return FirstConvolution(settings.kernel_size, settings.stride, settings.padding)
