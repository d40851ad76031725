"""The paper's second model: a network of 128-128-64-32 on standardised features."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mer_tasks.models import n_columns
from mer_tasks.settings import TABLES, Queue, TorchSettings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mer_tasks.models import Shapes

READS = TABLES
QUEUE: Queue = "default"
"""Its layers are so small that a GPU would mostly wait for the next batch."""


class Settings(TorchSettings):
    """A multilayer perceptron trained with Adamax: the widths of its hidden layers."""

    hidden: tuple[Annotated[int, Field(gt=0, le=100_000)], ...]


def build(settings: Settings, shapes: "Shapes", seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of rows of features, shape (n, n_features)."""
    import torch
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from mer_tasks.networks.perceptron import Perceptron
    from mer_tasks.networks.torch_classifier import as_float32, torch_classifier

    network = torch_classifier(
        Perceptron,
        {"n_features": n_columns(shapes), "hidden": settings.hidden},
        torch.optim.Adamax,
        settings,
        device,
    )
    return make_pipeline(StandardScaler(), as_float32(), network)
