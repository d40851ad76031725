"""Where a ResNet-18's weights come from: torchvision's download, a file, or none at all."""

import io
import socket
from collections.abc import Mapping
from pathlib import Path

import torch

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.files import replacing
from mer_tasks.networks.resnet18_backbone import FirstConvolution, empty_backbone
from mer_tasks.networks.torchvision_loader import torchvision_models
from mer_tasks.temporary import may_pass

SEED = 20
"""Random weights are always the same ones."""

State = Mapping[str, torch.Tensor]

STALLED_S = 20.0
"""A server that sends nothing for so long is not there."""

KEY = "representations.resnet18.weights"
OTHERWISE = "set MER_RESNET18_WEIGHTS to a file with them, or to none for random weights"


def backbone_weights(weights: str, sum_colours: bool, first: FirstConvolution) -> State:
    """The state dict of a backbone with such a first convolution.

    `weights` is `imagenet` (torchvision's download), `none` (random) or a path to a state dict with
    torchvision's keys. With `sum_colours` the first convolution starts from the sum over the pretrained three
    colours, which is what they give for a grey image; else it is random.

    Raises:
        InputError: the weights cannot be had or do not fit.
        UnavailableError: their download is away for now.
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
    if weights == "imagenet":
        return _downloaded(torchvision_models().ResNet18_Weights.IMAGENET1K_V1.url)
    try:
        state: State = torch.load(Path(weights), map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{KEY}: {weights}: no such file; give imagenet, none or a path") from error
    except Exception as error:  # torch.load raises whatever a damaged file provokes
        raise InputError(
            f"{KEY}: {weights} is not a state dict that torch can load safely"
            f" ({type(error).__name__}); save one with torch.save(model.state_dict(), path)"
        ) from error
    return state


def _downloaded(url: str) -> State:
    """A state dict from torch's cache, downloaded into it first where it is not there.

    Raises:
        InputError: the server refuses, the cache cannot be written, or what lies in it is damaged.
        UnavailableError: the server is away for now.
    """
    cached = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    was_there = cached.is_file()
    patience_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED_S)  # torch would wait for ever
    try:
        state: State = torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except Exception as error:  # torch raises whatever a damaged file or a network provokes
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        problem = f"{KEY}: imagenet could not be downloaded ({reason})"
        if may_pass(error) or "invalid hash value" in str(
            error
        ):  # urllib takes a lost connection for the end
            raise UnavailableError(f"{problem}; try again later, or {OTHERWISE}") from error
        if was_there:
            raise InputError(f"{KEY}: {cached} is damaged ({type(error).__name__}); remove it") from error
        raise InputError(f"{problem}; {OTHERWISE}") from error
    finally:
        socket.setdefaulttimeout(patience_s)
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
