"""A ResNet-18 without its last layer, for images of one channel: what turns an image into 512 numbers a column.

Architecture: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from mer_tasks.networks.threads import one_thread
from mer_tasks.networks.torchvision_loader import torchvision_models

N_OUTPUTS = 512


class FirstConvolution(NamedTuple):
    """How the first convolution looks at an image."""

    kernel_size: int
    stride: int
    padding: int


def empty_backbone(first: FirstConvolution) -> torch.nn.Module:
    """The network with random weights; those of the first convolution are drawn last."""
    network: torch.nn.Module = torchvision_models().resnet18(weights=None)
    network.conv1 = torch.nn.Conv2d(1, 64, *first, bias=False)
    network.avgpool = torch.nn.AdaptiveAvgPool2d((1, None))  # over frequency; time remains
    network.fc = torch.nn.Identity()
    return network


def backbone(state: Mapping[str, torch.Tensor], first: FirstConvolution, device: str) -> torch.nn.Module:
    """The frozen network with the weights of `state` on `device`, as torch names it.

    Raises:
        RuntimeError: the weights are another network's.
    """
    with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced
        network = empty_backbone(first)
    network.load_state_dict(state)
    frozen = network.eval().requires_grad_(False).to(device)
    placed: torch.nn.Module = frozen.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed


@torch.inference_mode()
def columns_of(network: torch.nn.Module, image: np.ndarray) -> np.ndarray:
    """The columns of the network's last layer, float32 of shape (columns, 512), for an image of shape (rows, frames).

    Their mean is the network's output. One image at a time and on one thread, so that its numbers do not depend on what is computed beside it.
    """
    device = next(network.parameters()).device
    batch = torch.from_numpy(np.ascontiguousarray(image))[None, None]
    with one_thread():
        pooled = network(batch.to(device, memory_format=torch.channels_last))[0].cpu().numpy()
    return np.ascontiguousarray(pooled.reshape(N_OUTPUTS, -1).T)
