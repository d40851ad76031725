"""The frozen ResNet-18: where its weights come from, and what it makes of an image."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.networks.resnet18_backbone import FirstConvolution, backbone, columns_of
from mer_tasks.networks.resnet18_weights import _downloaded, backbone_weights, read_weights, save_weights
from mer_tasks.networks.torchvision_loader import torchvision_models
from tests.sources.charts.servers import Response, resetting, serving

FIRST = FirstConvolution(7, 1, 2)


def test_an_image_becomes_columns_of_512_numbers_on_one_thread() -> None:
    image = np.random.default_rng(0).random((161, 96), dtype=np.float32)
    network = backbone(backbone_weights("none", True, FIRST), FIRST, "cpu")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        output = columns_of(network, image)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert (output.shape, output.dtype) == ((6, 512), np.float32)
    whole = torchvision_models().resnet18(weights=None)
    whole.conv1, whole.fc = torch.nn.Conv2d(1, 64, *FIRST, bias=False), torch.nn.Identity()
    whole.load_state_dict(network.state_dict())
    with torch.inference_mode():
        expected = whole.eval()(torch.from_numpy(image)[None, None])[0].numpy()
    np.testing.assert_allclose(output.mean(axis=0), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(columns_of(network, image), output)
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


FILE = "resnet18-f37072fd.pth"


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (Response(status=503), UnavailableError),
        (Response(status=429), UnavailableError),
        (Response(status=404), InputError),
        (Response(status=403), InputError),
        (Response(b"cut", headers={"Content-Length": "9999"}), UnavailableError),
        (Response(b"<html>log in"), UnavailableError),
    ],
)
def test_a_download_that_fails_says_whether_to_try_again(
    response: Response, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with (
        serving(lambda request: response) as web,
        pytest.raises(kind, match="MER_RESNET18_WEIGHTS") as caught,
    ):
        _downloaded(f"{web.url}/{FILE}")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "hub" / "checkpoints" / FILE).exists()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
def test_weights_whose_server_is_not_there_are_tried_again(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"could not be downloaded .* try again later"):
        _downloaded(f"{address}/{FILE}")
    with (
        resetting(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nP") as url,
        pytest.raises(UnavailableError, match=r"could not be downloaded"),
    ):
        _downloaded(f"{url}/{FILE}")


def test_a_damaged_download_names_the_file_to_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not weights")
    with pytest.raises(InputError, match=rf"{FILE} is damaged \(UnpicklingError\); remove it$"):
        backbone_weights("imagenet", True, FIRST)
