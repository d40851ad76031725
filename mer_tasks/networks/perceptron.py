"""Fully connected layers."""

from collections.abc import Sequence
from itertools import pairwise

import torch

from mer_tasks.domain import MOODS


class Perceptron(torch.nn.Module):
    """Fully connected layers with ReLU between them; gives one logit a mood. Without hidden layers it is linear."""

    def __init__(self, n_features: int, hidden: Sequence[int]) -> None:
        super().__init__()
        widths = [n_features, *hidden]
        layers: list[torch.nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], len(MOODS)))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, 4), of features, shape (n, n_features)."""
        logits: torch.Tensor = self.layers(X)
        return logits
