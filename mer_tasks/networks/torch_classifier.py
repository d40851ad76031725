"""What the systems that train a network share: training by skorch, as scikit-learn classifiers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochScoring, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from mer_tasks.device import torch_device
from mer_tasks.domain import MOODS
from mer_tasks.networks.checkpoint import BestEpoch, Checkpoint
from mer_tasks.networks.curve import Curve, curve_of
from mer_tasks.settings import TorchSettings


class TorchClassifier(NeuralNetClassifier):  # type: ignore[misc]  # skorch has no types
    """skorch's classifier, for which Ctrl-C is no end of training: half a model must not pass as a whole one."""

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, **options: Any) -> "TorchClassifier":
        """Train on from where it stands, as skorch does, which would take an interruption for the end."""
        if not self.initialized_:
            self.initialize()
        n_before = len(self.history)
        self.notify("on_train_begin", X=X, y=y)
        n_restored = len(self.history) - n_before  # epochs of a training that was killed
        self.fit_loop(X, y, epochs=self.max_epochs - n_restored, **options)
        self.notify("on_train_end", X=X, y=y)
        return self


def torch_classifier(
    module: type[torch.nn.Module],
    module_arguments: Mapping[str, Any],
    optimizer: type[torch.optim.Optimizer],
    settings: TorchSettings,
    device: str,
    **optimizer_arguments: float,
) -> TorchClassifier:
    """A network that gives logits, trained with cross entropy and StepLR, as a classifier of moods."""
    schedule = LRScheduler(
        torch.optim.lr_scheduler.StepLR, step_size=settings.step_size, gamma=settings.gamma
    )
    train_accuracy = EpochScoring("accuracy", on_train=True, name="train_accuracy", lower_is_better=False)
    return TorchClassifier(
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
        callbacks=[("schedule", schedule), ("train_accuracy", train_accuracy)],
        verbose=0,
        device=torch_device(device),
    )


def as_float32() -> FunctionTransformer:
    """A step that gives a network the precision it computes in."""
    return FunctionTransformer(np.asarray, kw_args={"dtype": np.float32})


def set_validation_data(model: Pipeline, X: Any, y: Any, X_valid: Any, y_valid: Any, keep_best: bool) -> None:
    """Let a pipeline that ends in a network score songs that it does not train on after each epoch.

    The scores draw the learning curve. Only with `keep_best`, the paper's protocol, do they also choose
    the epoch that is kept.
    """
    net, prepare = model[-1], model[:-1]
    net.set_params(train_split=predefined_split(Dataset(prepare.fit(X, y).transform(X_valid), y_valid)))
    if keep_best:
        net.set_params(callbacks=[*net.callbacks, ("best_epoch", BestEpoch())])


def set_checkpoint(model: Pipeline, path: Path, watch: Callable[[Curve], None] | None = None) -> None:
    """Let the training of a pipeline that ends in a network go on from the file `path`, and keep it up to date.

    `watch` is told the curve so far whenever the file is.
    """
    model[-1].set_params(callbacks=[*model[-1].callbacks, ("checkpoint", Checkpoint(path, watch))])


def clear_validation_data(model: Pipeline) -> None:
    """Drop the validation data, so that the model holds only what predicts."""
    model[-1].set_params(train_split=None)


def learning_curve(model: Pipeline) -> Curve:
    """What each epoch of the network that ends a pipeline came to."""
    return curve_of(model[-1].history)
