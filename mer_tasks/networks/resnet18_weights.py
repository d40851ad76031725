"""Where a ResNet-18's weights come from: torchvision's download, a file, or none at all."""

import io
import urllib.error
from collections.abc import Mapping
from pathlib import Path

import torch

from mer_tasks.errors import InputError
from mer_tasks.files import replacing
from mer_tasks.networks.resnet18_backbone import FirstConvolution, empty_backbone
from mer_tasks.networks.torchvision_loader import torchvision_models

SEED = 20
"""Random weights are always the same ones."""

State = Mapping[str, torch.Tensor]


def backbone_weights(weights: str, sum_colours: bool, first: FirstConvolution) -> State:
    """The state dict of a backbone with such a first convolution.

    `weights` is `imagenet` (torchvision's download), `none` (random) or a path to a state dict with
    torchvision's keys. With `sum_colours` the first convolution starts from the sum over the pretrained three
    colours, which is what they give for a grey image; else it is random.

    Raises:
        InputError: the weights cannot be had or do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        state = dict(empty_backbone(first).state_dict())
    if weights != "none":
        pretrained = _checked(_pretrained(weights), weights)
        state |= {
            name: value for name, value in pretrained.items() if name in state and name != "conv1.weight"
        }
        if sum_colours:
            state["conv1.weight"] = _summed(pretrained["conv1.weight"], first)
    return state


def save_weights(state: State, path: Path) -> None:
    """Write a state dict to `path`; the same weights give the same bytes."""
    content = io.BytesIO()  # into a file, torch would write the file's name as well
    torch.save({name: state[name].contiguous() for name in sorted(state)}, content)
    with replacing(path) as temporary:
        temporary.write_bytes(content.getvalue())


def read_weights(path: Path) -> State:
    """The state dict that `save_weights` wrote.

    Raises:
        InputError: it is not there or damaged.
    """
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever a damaged file provokes
        raise InputError(
            f"{path}: no weights that torch can load safely ({type(error).__name__}); run mer features again"
        ) from error
    return state


def _summed(colours: torch.Tensor, first: FirstConvolution) -> torch.Tensor:
    if colours.shape[-1] != first.kernel_size:
        raise InputError(
            f"representations.resnet18.kernel_size: {first.kernel_size} does not fit the pretrained first"
            f" convolution ({colours.shape[-1]}); set it to {colours.shape[-1]}, or conv1 to random"
        )
    return colours.sum(dim=1, keepdim=True)


def _pretrained(weights: str) -> State:
    key = "representations.resnet18.weights"
    try:
        if weights == "imagenet":
            entry = torchvision_models().ResNet18_Weights.IMAGENET1K_V1
            state: State = entry.get_state_dict(progress=False, check_hash=True)
        else:
            state = torch.load(Path(weights), map_location="cpu", weights_only=True)
    except urllib.error.URLError as error:
        raise InputError(
            f"{key}: imagenet could not be downloaded ({error.reason});"
            " set MER_RESNET18_WEIGHTS to a file with them, or to none for random weights"
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"{key}: {weights}: no such file; give imagenet, none or a path") from error
    except Exception as error:  # torch.load raises whatever a damaged file provokes
        raise InputError(
            f"{key}: {weights} is not a state dict that torch can load safely"
            f" ({type(error).__name__}); save one with torch.save(model.state_dict(), path)"
        ) from error
    return state


def _checked(state: State, weights: str) -> State:
    """The weights in single precision, if they are torchvision's ResNet-18's."""
    try:
        single = {name: value.float() for name, value in state.items()}
        torchvision_models().resnet18(weights=None).load_state_dict(single)
    except (RuntimeError, AttributeError) as error:
        raise InputError(
            f"representations.resnet18.weights: {weights} does not hold torchvision's ResNet-18"
            f" ({' '.join(str(error).split())[:120]}); give its state dict"
        ) from error
    return single
