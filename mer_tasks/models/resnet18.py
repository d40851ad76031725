"""The paper's third model: a frozen ResNet-18 that reads a song's image, and its last layer."""

import hashlib
import urllib.error
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from sklearn.pipeline import Pipeline, make_pipeline

from mer_tasks import settings
from mer_tasks.device import torch_device
from mer_tasks.domain import MOODS, InputError
from mer_tasks.models.torch_classifier import torch_classifier
from mer_tasks.models.torchvision_loader import torchvision_models

N_EMBEDDING = 512
BATCH = 4  # images a forward pass: keeps memory flat, and is as fast as larger batches on a CPU


class LastLayer(torch.nn.Module):
    """The new last layer: one logit a mood from the backbone's output."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(N_EMBEDDING, len(MOODS))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, 4), of embeddings, shape (n, 512)."""
        return self.fc(X)


def build(model: settings.Resnet18, device: str) -> Pipeline:
    """An unfitted classifier of the backbone's output, shape (n, 512)."""
    return make_pipeline(
        torch_classifier(LastLayer, {}, torch.optim.SGD, model, device, momentum=model.momentum)
    )


def build_backbone(model: settings.Resnet18, weights: str, seed: int) -> torch.nn.Module:
    """ResNet-18 without its last layer, frozen, for images of one channel.

    `weights` is `imagenet` (torchvision's download), `none` (random, by `seed`) or a path to a state
    dict with torchvision's keys. Architecture: He et al., "Deep Residual Learning", CVPR 2016.

    Raises:
        InputError: the weights cannot be had or do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = torchvision_models().resnet18(weights=None)
        conv1 = torch.nn.Conv2d(1, 64, model.kernel_size, model.stride, model.padding, bias=False)
    if weights != "none":
        state = _pretrained(weights)
        _load(net, state, weights)
        if model.conv1 == "sum":
            _set_first_convolution(conv1, state["conv1.weight"].float())
    net.conv1, net.fc = conv1, torch.nn.Identity()
    return net.eval().requires_grad_(False)


def _set_first_convolution(conv1: torch.nn.Conv2d, rgb: torch.Tensor) -> None:
    """Start from the sum over the three colours: what the pretrained filters give for a grey image."""
    summed = rgb.sum(dim=1, keepdim=True)
    if conv1.weight.shape != summed.shape:
        raise InputError(
            f"resnet18.kernel_size: {conv1.kernel_size[0]} does not fit the pretrained first convolution"
            f" ({rgb.shape[-1]}); set it to {rgb.shape[-1]}, or resnet18.conv1 to random"
        )
    conv1.weight = torch.nn.Parameter(summed)


def _pretrained(weights: str) -> Mapping[str, torch.Tensor]:
    try:
        if weights == "imagenet":
            entry = torchvision_models().ResNet18_Weights.IMAGENET1K_V1
            return entry.get_state_dict(progress=False, check_hash=True)
        return torch.load(Path(weights), map_location="cpu", weights_only=True)
    except urllib.error.URLError as error:
        raise InputError(
            f"resnet18.weights: imagenet could not be downloaded ({error.reason});"
            " set MER_RESNET18_WEIGHTS to a file with them, or to none for random weights"
        ) from error
    except FileNotFoundError as error:
        raise InputError(
            f"resnet18.weights: {weights}: no such file; give imagenet, none or a path"
        ) from error
    except Exception as error:  # torch.load raises whatever a damaged file provokes
        raise InputError(
            f"resnet18.weights: {weights} is not a state dict that torch can load safely"
            f" ({type(error).__name__}); save one with torch.save(model.state_dict(), path)"
        ) from error


def _load(net: torch.nn.Module, state: Mapping[str, torch.Tensor], weights: str) -> None:
    try:
        net.load_state_dict({name: value.float() for name, value in state.items()})
    except (RuntimeError, AttributeError) as error:
        raise InputError(
            f"resnet18.weights: {weights} does not hold torchvision's ResNet-18"
            f" ({' '.join(str(error).split())[:120]}); give its state dict"
        ) from error


def backbone_identity(backbone: torch.nn.Module) -> str:
    """A short hash of every weight: two backbones with the same one give the same output."""
    digest = hashlib.sha256()
    for name, value in sorted(backbone.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    first = backbone.conv1
    digest.update(repr((first.kernel_size, first.stride, first.padding)).encode())  # type: ignore[union-attr]
    return digest.hexdigest()[:16]


@torch.inference_mode()
def embed(backbone: torch.nn.Module, images: np.ndarray, device: str) -> np.ndarray:
    """The backbone's output, shape (n, 512), for images of shape (n, rows, frames)."""
    target = torch_device(device)
    backbone = backbone.to(target).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    outputs = []
    for start in range(0, len(images), BATCH):
        batch = torch.from_numpy(np.array(images[start : start + BATCH], dtype=np.float32))[:, None]
        outputs.append(backbone(batch.to(target, memory_format=torch.channels_last)).cpu().numpy())
    return np.concatenate(outputs) if outputs else np.empty((0, N_EMBEDDING), np.float32)
