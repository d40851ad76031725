"""The paper's third model: the last layer of a frozen ResNet-18, whose output is the representation `resnet18`."""

import torch
from sklearn.pipeline import Pipeline, make_pipeline

from mer_tasks import settings
from mer_tasks.domain import MOODS
from mer_tasks.models.torch_classifier import torch_classifier

N_EMBEDDING = 512


class LastLayer(torch.nn.Module):
    """The new last layer: one logit a mood from the backbone's output."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(N_EMBEDDING, len(MOODS))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, 4), of embeddings, shape (n, 512)."""
        return self.fc(X)


def build(model: settings.Resnet18, device: str) -> Pipeline:
    """An unfitted classifier of the backbone's output, shape (n, 512)."""
    return make_pipeline(
        torch_classifier(LastLayer, {}, torch.optim.SGD, model, device, momentum=model.momentum)
    )
