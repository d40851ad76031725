"""What the two torch models share: training by skorch, as scikit-learn classifiers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from sklearn.pipeline import Pipeline
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EpochScoring, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from mer_tasks.device import torch_device
from mer_tasks.domain import MOODS
from mer_tasks.settings import TorchTraining


class BestEpoch(Callback):
    """Ends training with the weights of the epoch that scored best on the watched songs."""

    def on_epoch_end(self, net: NeuralNetClassifier, **_: Any) -> None:
        if net.history[-1, "valid_acc_best"]:
            self.weights = {name: value.clone() for name, value in net.module_.state_dict().items()}

    def on_train_end(self, net: NeuralNetClassifier, **_: Any) -> None:
        net.module_.load_state_dict(self.weights)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: layers this small only wait for each other on more, and sums keep their order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def torch_classifier(
    module: type[torch.nn.Module],
    module_arguments: Mapping[str, Any],
    optimizer: type[torch.optim.Optimizer],
    settings: TorchTraining,
    device: str,
    **optimizer_arguments: float,
) -> NeuralNetClassifier:
    """A network that gives logits, trained with cross entropy and StepLR, as a classifier of moods."""
    return NeuralNetClassifier(
        module,
        **{f"module__{name}": value for name, value in module_arguments.items()},
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=optimizer,
        **{f"optimizer__{name}": value for name, value in optimizer_arguments.items()},
        lr=settings.lr,
        max_epochs=settings.epochs,
        batch_size=settings.batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        classes=list(range(len(MOODS))),
        callbacks=[
            (
                "schedule",
                LRScheduler(
                    torch.optim.lr_scheduler.StepLR, step_size=settings.step_size, gamma=settings.gamma
                ),
            ),
            (
                "train_accuracy",
                EpochScoring("accuracy", on_train=True, name="train_accuracy", lower_is_better=False),
            ),
        ],
        verbose=0,
        device=torch_device(device),
    )


def watch(model: Pipeline, X: Any, y: Any, X_watched: Any, y_watched: Any, keep_best_epoch: bool) -> None:
    """Let a pipeline that ends in a torch classifier score songs it does not learn from after each epoch.

    The scores draw the learning curve. Only with `keep_best_epoch`, the paper's protocol, do they
    also choose the epoch that is kept. A pipeline that does not end so is left as it is.
    """
    net = model[-1]
    if not isinstance(net, NeuralNetClassifier):
        return
    prepare = model[:-1]
    watched = prepare.fit(X, y).transform(X_watched) if len(prepare) else X_watched
    net.set_params(train_split=predefined_split(Dataset(watched, y_watched)))
    if keep_best_epoch:
        net.set_params(callbacks=[*net.callbacks, ("best_epoch", BestEpoch())])


def learning_curve(model: Pipeline) -> list[dict[str, float]]:
    """One row an epoch: `epoch`, `train_loss`, `train_accuracy`, `valid_loss`, `valid_accuracy`."""
    net = model[-1]
    if not isinstance(net, NeuralNetClassifier):
        return []
    columns = {"valid_acc": "valid_accuracy"}
    wanted = ("epoch", "train_loss", "train_accuracy", "valid_loss", "valid_acc")
    return [
        {columns.get(name, name): float(row[name]) for name in wanted if name in row} for row in net.history
    ]


def forget_watched(model: Pipeline) -> None:
    """Drop the watched songs, so that a saved model holds only what predicts."""
    net = model[-1]
    if isinstance(net, NeuralNetClassifier):
        net.set_params(train_split=None)
