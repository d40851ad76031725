"""The new last layer of the paper's ResNet-18: one linear layer on 512 numbers, trained with momentum."""

import torch

from mer_tasks.models.resnet18 import QUEUE, build
from mer_tasks.settings import load_params
from tests.systems import ROOT, four_clouds

PAPERS = load_params(ROOT / "params.yaml").models["resnet18"]


def test_one_linear_layer_is_trained() -> None:
    X, y = four_clouds(40, (512,))
    net = build(PAPERS.model_copy(update={"epochs": 1}), ((512,),), 0, "cpu").fit(X, y)[-1]  # type: ignore[arg-type]
    assert sum(weights.numel() for weights in net.module_.parameters()) == 512 * 4 + 4
    assert isinstance(net.optimizer_, torch.optim.SGD)
    assert net.optimizer_.param_groups[0]["momentum"] == 0.9
    assert QUEUE == "default"


def test_a_step_lowers_the_rate() -> None:
    X, y = four_clouds(40, (512,))
    rates = [row["event_lr"] for row in build(PAPERS, ((512,),), 0, "cpu").fit(X, y)[-1].history]  # type: ignore[arg-type]
    assert rates[0] == 0.0009
    assert abs(rates[7] - 0.00009) < 1e-12
