"""A training that is killed in an epoch goes on after the last whole one, to the very numbers of one that was not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.pipeline import Pipeline
from skorch.callbacks import Callback

from mer_tasks.errors import InputError
from mer_tasks.networks.torch_classifier import (
    TorchClassifier,
    clear_validation_data,
    learning_curve,
    set_checkpoint,
    set_validation_data,
)
from tests.systems import built, four_clouds, shape_of


class Stop(Callback):  # type: ignore[misc]  # skorch has no types
    """Ends the program in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_batch_end(self, net: TorchClassifier, **_: Any) -> None:
        """Interrupt."""
        if len(net.history) == self.epoch and len(net.history[-1, "batches"]) == 2:
            raise KeyboardInterrupt


def trained(system: str, path: Path | None, keep_best: bool = False, stop_in: int = 0) -> Pipeline:
    """A network with dropout and a schedule, trained to the end or up to an epoch."""
    X, y = four_clouds(80, shape_of(system))
    noise = np.random.default_rng(5).integers(4, size=40)  # unrelated to X: the best epoch is luck
    model = built(system)
    torch.manual_seed(1)
    set_validation_data(model, X[:40], y[:40], X[40:], noise, keep_best)
    if path:
        set_checkpoint(model, path)
    if stop_in:
        model[-1].set_params(callbacks=[*model[-1].callbacks, ("stop", Stop(stop_in))])
        with pytest.raises(KeyboardInterrupt):
            model.fit(X[:40], y[:40])
        return model
    model.fit(X[:40], y[:40])
    clear_validation_data(model)
    return model


@pytest.mark.parametrize("keep_best", [False, True])
@pytest.mark.parametrize("system", ["neural_network", "resnet18", "sequence"])
def test_what_goes_on_ends_as_what_was_never_killed(system: str, keep_best: bool, tmp_path: Path) -> None:
    X, _ = four_clouds(40, shape_of(system), seed=1)
    whole, path = trained(system, None, keep_best), tmp_path / "state.pt"
    for epoch in (1, 5, 10):  # the rate falls after the eighth
        trained(system, path, keep_best, stop_in=epoch)
    assert path.is_file()
    resumed = trained(system, path, keep_best)
    assert np.array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert learning_curve(resumed) == learning_curve(whole)
    assert [row["event_lr"] for row in resumed[-1].history] == [row["event_lr"] for row in whole[-1].history]


def test_what_has_ended_is_not_trained_again(tmp_path: Path) -> None:
    X, _ = four_clouds(40, shape_of("sequence"), seed=1)
    path = tmp_path / "state.pt"
    first = trained("sequence", path)
    written = path.stat().st_mtime_ns
    again = trained("sequence", path)
    assert path.stat().st_mtime_ns == written
    assert np.array_equal(again.predict_proba(X), first.predict_proba(X))


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"state\.pt: damaged \(.*\); remove it and train again$") as caught:
        trained("neural_network", path)
    assert "\n" not in str(caught.value)
