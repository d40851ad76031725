"""The paper's network: its layers, its optimizer and its schedule."""

import torch
from sklearn.preprocessing import StandardScaler

from mer_tasks.models.neural_network import QUEUE, build
from mer_tasks.settings import load_params
from tests.systems import FEW_EPOCHS, N_FEATURES, ROOT, four_clouds

PAPERS = load_params(ROOT / "params.yaml").models["neural_network"]


def test_it_has_the_papers_layers_and_optimizer() -> None:
    X, y = four_clouds(40)
    model = build(PAPERS.model_copy(update={"epochs": 1}), ((N_FEATURES,),), 0, "cpu").fit(X, y)  # type: ignore[arg-type]
    net = model[-1]
    widths = [layer.out_features for layer in net.module_.layers if isinstance(layer, torch.nn.Linear)]
    assert widths == [128, 128, 64, 32, 4]
    assert isinstance(net.optimizer_, torch.optim.Adamax)
    assert isinstance(model[0], StandardScaler)
    assert QUEUE == "default"


def test_the_schedule_is_the_papers() -> None:
    X, y = four_clouds(40)
    short = PAPERS.model_copy(update={**FEW_EPOCHS, "lr": 0.006, "step_size": 5})
    rates = [row["event_lr"] for row in build(short, ((N_FEATURES,),), 0, "cpu").fit(X, y)[-1].history]  # type: ignore[arg-type]
    assert rates[0] == 0.006
    assert abs(rates[5] - 0.0006) < 1e-9
    assert len(rates) == 12
