"""The frozen ResNet-18: where its weights come from, and what it makes of an image."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mer_tasks.errors import InputError
from mer_tasks.networks.resnet18_backbone import FirstConvolution, backbone, output_of
from mer_tasks.networks.resnet18_weights import backbone_weights, read_weights, save_weights
from mer_tasks.networks.torchvision_loader import torchvision_models

FIRST = FirstConvolution(7, 1, 2)


def test_an_image_becomes_512_numbers_on_one_thread() -> None:
    image = np.random.default_rng(0).random((161, 96), dtype=np.float32)
    network = backbone(backbone_weights("none", True, FIRST), FIRST, "cpu")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        output = output_of(network, image)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert (output.shape, output.dtype) == ((512,), np.float32)
    np.testing.assert_array_equal(output_of(network, image), output)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert network.conv1.stride == (1, 1) and network.conv1.padding == (2, 2)


def test_random_weights_are_always_the_same_and_leave_the_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    one, two = (backbone_weights("none", True, FIRST) for _ in range(2))
    backbone(one, FIRST, "cpu")
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_first_convolution_sums_the_pretrained_colours(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = torchvision_models().resnet18(weights=None)
    path = tmp_path / "weights.pth"
    torch.save({name: value.half() for name, value in net.state_dict().items()}, path)
    summed = net.conv1.weight.half().float().sum(dim=1, keepdim=True)
    pretrained, random = (backbone_weights(str(path), sums, FIRST) for sums in (True, False))
    assert torch.allclose(pretrained["conv1.weight"], summed)
    assert not torch.allclose(random["conv1.weight"], summed)
    assert torch.equal(random["layer1.0.conv1.weight"], pretrained["layer1.0.conv1.weight"])
    assert torch.allclose(pretrained["layer1.0.conv1.weight"], net.layer1[0].conv1.weight, atol=1e-3)
    with pytest.raises(
        InputError, match=r"kernel_size: 5 does not fit .* \(7\); set it to 7, or conv1 to random"
    ):
        backbone_weights(str(path), True, FirstConvolution(5, 1, 2))
    assert backbone_weights(str(path), False, FirstConvolution(5, 1, 2))["conv1.weight"].shape[-1] == 5


def test_saved_weights_are_the_same_bytes_and_load_safely(tmp_path: Path) -> None:
    state = backbone_weights("none", True, FIRST)
    save_weights(state, tmp_path / "weights.pt")
    save_weights(dict(reversed(state.items())), tmp_path / "elsewhere" / "other.pt")
    assert (tmp_path / "weights.pt").read_bytes() == (tmp_path / "elsewhere" / "other.pt").read_bytes()
    loaded = read_weights(tmp_path / "weights.pt")
    assert set(loaded) == set(state)
    assert all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; give imagenet, none or a path"),
        (b"not weights", "not a state dict that torch can load safely"),
        ({"fc.weight": torch.zeros(2)}, "does not hold torchvision's ResNet-18"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(
    content: bytes | dict[str, torch.Tensor] | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=message) as caught:
        backbone_weights(str(path), True, FIRST)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("representations.resnet18.weights: ")
