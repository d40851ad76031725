"""The paper's third model: the new last layer of a frozen ResNet-18, whose output it reads."""

from typing import TYPE_CHECKING

from mer_tasks.models import n_columns
from mer_tasks.settings import TABLES, Queue, Share, TorchSettings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mer_tasks.models import Shapes

READS = TABLES
QUEUE: Queue = "default"
"""The frozen network's output is a representation, computed once a clip; what is trained here is one layer."""


class Settings(TorchSettings):
    """A linear layer trained by stochastic gradient descent with momentum."""

    momentum: Share


def build(settings: Settings, shapes: "Shapes", seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of the frozen network's output, shape (n, 512)."""
    import torch
    from sklearn.pipeline import make_pipeline

    from mer_tasks.networks.perceptron import Perceptron
    from mer_tasks.networks.torch_classifier import as_float32, torch_classifier

    arguments = {"n_features": n_columns(shapes), "hidden": ()}
    layer = torch_classifier(
        Perceptron, arguments, torch.optim.SGD, settings, device, momentum=settings.momentum
    )
    return make_pipeline(as_float32(), layer)
