"""The paper's second model: a network of 128-128-64-32 on standardised features."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from mer_tasks import settings
from mer_tasks.domain import MOODS
from mer_tasks.models.torch_classifier import torch_classifier


class Perceptron(torch.nn.Module):
    """Fully connected layers with ReLU between them; gives one logit a mood."""

    def __init__(self, n_features: int, hidden: Sequence[int]) -> None:
        super().__init__()
        widths = [n_features, *hidden]
        layers: list[torch.nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], len(MOODS)))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, 4), of standardised features, shape (n, n_features)."""
        return self.layers(X)


def build(model: settings.NeuralNetwork, n_features: int, device: str) -> Pipeline:
    """An unfitted classifier of rows of features, shape (n, n_features)."""
    net = torch_classifier(
        Perceptron,
        {"n_features": n_features, "hidden": model.hidden},
        torch.optim.Adamax,
        model,
        device,
    )
    to_float32 = FunctionTransformer(np.asarray, kw_args={"dtype": np.float32})
    return make_pipeline(StandardScaler(), to_float32, net)
