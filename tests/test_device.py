"""Who computes on a GPU."""

from collections.abc import Callable

import pytest
import torch

from mer_tasks.device import features_device, torch_device
from mer_tasks.errors import InputError

HAS_GPU = torch.cuda.is_available()


def test_models_take_a_gpu_where_there_is_one() -> None:
    assert torch_device("auto") == ("cuda" if HAS_GPU else "cpu")
    assert torch_device("cpu") == "cpu"


def test_features_take_a_gpu_only_when_it_is_asked_for() -> None:
    assert features_device("auto") == "cpu"
    assert features_device("cpu") == "cpu"


@pytest.mark.skipif(HAS_GPU, reason="this machine has what the test misses")
@pytest.mark.parametrize("device_of", [torch_device, features_device])
def test_a_gpu_that_is_not_there_is_said_in_one_line(device_of: Callable[[str], str]) -> None:
    with pytest.raises(InputError, match=r"^MER_DEVICE: cuda, .* set it to auto or cpu$"):
        device_of("cuda")
