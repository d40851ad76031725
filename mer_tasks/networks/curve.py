"""A learning curve: what each epoch of a training came to."""

from collections.abc import Iterable, Mapping
from typing import Any

Curve = list[dict[str, float]]
"""One row an epoch: `epoch`, `train_loss`, `train_accuracy`, `valid_loss`, `valid_accuracy`."""

COLUMNS = {
    "epoch": "epoch",
    "train_loss": "train_loss",
    "train_accuracy": "train_accuracy",
    "valid_loss": "valid_loss",
    "valid_acc": "valid_accuracy",
}
"""What skorch calls them."""


def curve_of(history: Iterable[Mapping[str, Any]]) -> Curve:
    """The learning curve in a network's history."""
    return [{COLUMNS[name]: float(row[name]) for name in COLUMNS if name in row} for row in history]
