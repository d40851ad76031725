"""Where a training stands after each epoch, in a file: one that was killed goes on to the same numbers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from skorch.history import History

from mer_tasks.errors import InputError
from mer_tasks.files import replacing
from mer_tasks.networks.curve import Curve, curve_of


class BestEpoch(Callback):  # type: ignore[misc]  # skorch has no types
    """Ends training with the weights of the epoch that scored best on the validation data."""

    def on_train_begin(self, net: NeuralNetClassifier, **_: Any) -> None:
        """Nothing is best yet."""
        self._state: dict[str, Any] = {"accuracy": -1.0, "weights": {}}

    def on_epoch_end(self, net: NeuralNetClassifier, **_: Any) -> None:
        """Keep the weights when they are the best so far."""
        accuracy = float(net.history[-1, "valid_acc"])
        if accuracy > self._state["accuracy"]:
            weights = {name: value.clone() for name, value in net.module_.state_dict().items()}
            self._state = {"accuracy": accuracy, "weights": weights}

    def on_train_end(self, net: NeuralNetClassifier, **_: Any) -> None:
        """Go back to the best weights."""
        net.module_.load_state_dict(self._state["weights"])

    def state_dict(self) -> dict[str, Any]:
        """What it has kept, as torch's modules give it."""
        return self._state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what it had kept."""
        self._state = state


class Checkpoint(Callback):  # type: ignore[misc]
    """Writes all that the next epoch depends on to `path` after each, and begins with what lies there.

    These are the weights, the optimizer, its schedule, the history, the best epoch and torch's generators of
    random numbers. It must be the last callback. `watch` is told the learning curve whenever it is read or written.
    """

    def __init__(self, path: Path, watch: Callable[[Curve], None] | None = None) -> None:
        self.path = path
        self.watch = watch

    def on_train_begin(self, net: NeuralNetClassifier, **_: Any) -> None:
        """Go on after the last epoch that was finished, if there is one.

        Raises:
            InputError: the file is damaged.
        """
        if not self.path.is_file():
            return
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            for name, part in _parts(net).items():
                part.load_state_dict(state[name])
            net.history_ = History(json.loads(state["history"]))
            torch.set_rng_state(state["random"])
            if torch.cuda.is_available():
                torch.cuda.set_rng_state_all(state["random_cuda"])
        except Exception as error:  # torch raises whatever a damaged file provokes
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
            raise InputError(f"{self.path}: damaged ({reason}); remove it and train again") from error
        self._tell(net)

    def on_epoch_end(self, net: NeuralNetClassifier, **_: Any) -> None:
        """Write where the training stands; an earlier file stays until the new one is whole."""
        state = {name: part.state_dict() for name, part in _parts(net).items()} | {
            "history": json.dumps(net.history.to_list()),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        with replacing(self.path) as temporary:
            torch.save(state, temporary)
        self._tell(net)

    def _tell(self, net: NeuralNetClassifier) -> None:
        if self.watch:
            self.watch(curve_of(net.history))


def _parts(net: NeuralNetClassifier) -> dict[str, Any]:
    """What has a state that training changes, by name."""
    callbacks = dict(net.callbacks_)
    parts = {
        "module": net.module_,
        "optimizer": net.optimizer_,
        "schedule": callbacks["schedule"].lr_scheduler_,
    }
    return parts | ({"best_epoch": callbacks["best_epoch"]} if "best_epoch" in callbacks else {})
