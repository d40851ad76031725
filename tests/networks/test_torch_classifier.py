"""Networks trained by skorch: the schedule, validation data that only draw the curve, and interruptions."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from mer_tasks.errors import InputError
from mer_tasks.networks.perceptron import Perceptron
from mer_tasks.networks.torch_classifier import (
    TorchClassifier,
    as_float32,
    clear_validation_data,
    learning_curve,
    set_validation_data,
    torch_classifier,
)
from mer_tasks.settings import TorchSettings
from tests.systems import N_FEATURES, four_clouds

SETTINGS = TorchSettings(system="any", reads="any", lr=0.01, epochs=12, batch_size=16, step_size=5, gamma=0.1)


def network(**changes: Any) -> TorchClassifier:
    settings = SETTINGS.model_copy(update=changes)
    arguments = {"n_features": N_FEATURES, "hidden": (16,)}
    return torch_classifier(Perceptron, arguments, torch.optim.Adamax, settings, "cpu")


def pipeline(**changes: Any) -> Pipeline:
    return make_pipeline(StandardScaler(), as_float32(), network(**changes))


def fitted(model: Pipeline, X: np.ndarray, y: np.ndarray, seed: int = 0) -> Pipeline:
    torch.manual_seed(seed)
    return model.fit(X, y)


def test_a_network_is_a_classifier_that_learns() -> None:
    X, y = four_clouds(160)
    model = fitted(pipeline(), X[:120], y[:120])
    assert is_classifier(model)
    assert model.score(X[120:], y[120:]) > 0.8
    assert np.array_equal(model.predict(X), model.predict_proba(X).argmax(axis=1))
    assert model.predict_proba(X).dtype == np.float32


def test_the_layers_are_those_that_were_asked_for() -> None:
    perceptron = Perceptron(n_features=7, hidden=(5, 3))
    shapes = [tuple(layer.weight.shape) for layer in perceptron.layers if isinstance(layer, torch.nn.Linear)]
    assert shapes == [(5, 7), (3, 5), (4, 3)]
    assert sum(isinstance(layer, torch.nn.ReLU) for layer in perceptron.layers) == 2
    linear = Perceptron(n_features=7, hidden=())
    assert [type(layer) for layer in linear.layers] == [torch.nn.Linear]
    X = torch.randn(6, 7)
    assert torch.equal(linear(X), linear.layers[0](X))  # logits: nothing follows the last layer


def test_probabilities_are_the_softmax_of_the_logits() -> None:
    X, y = four_clouds(40)
    net = fitted(make_pipeline(as_float32(), network()), X, y)[-1]
    with torch.no_grad():
        expected = torch.softmax(net.module_.eval()(torch.from_numpy(X)), dim=1).numpy()
    assert net.predict_proba(X) == pytest.approx(expected, abs=1e-6)


def test_the_same_seed_gives_the_same_network() -> None:
    X, y = four_clouds(80)
    first, again, other = (fitted(pipeline(), X, y, seed).predict_proba(X) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_a_mood_that_is_absent_from_training_still_has_a_column() -> None:
    X, y = four_clouds(80)
    model = fitted(pipeline(), X[y != 3], y[y != 3])
    assert model.predict_proba(X).shape == (80, 4)
    assert model.classes_.tolist() == [0, 1, 2, 3]


def test_the_rate_falls_by_gamma_after_each_step() -> None:
    X, y = four_clouds(40)
    rates = [row["event_lr"] for row in fitted(pipeline(), X, y)[-1].history]
    assert rates == pytest.approx([0.01] * 5 + [0.001] * 5 + [0.0001] * 2)


def test_settings_reach_the_optimizer_and_the_batches() -> None:
    X, y = four_clouds(40)
    arguments = {"n_features": N_FEATURES, "hidden": ()}
    net = torch_classifier(Perceptron, arguments, torch.optim.SGD, SETTINGS, "cpu", momentum=0.5).fit(X, y)
    assert isinstance(net.optimizer_, torch.optim.SGD)
    assert net.optimizer_.param_groups[0]["momentum"] == 0.5
    assert [batch["train_batch_size"] for batch in net.history[-1, "batches"]] == [16, 16, 8]
    assert len(net.history) == SETTINGS.epochs


def test_training_shuffles_its_rows_anew_in_each_epoch() -> None:
    X, y = four_clouds(40)
    net = network().initialize()
    torch.manual_seed(0)
    iterator = net.get_iterator(net.get_dataset(X, y), training=True)
    first, second = (torch.cat([batch for _, batch in iterator]) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values, second.sort().values)


def test_a_network_can_be_cloned_unfitted() -> None:
    X, y = four_clouds(40)
    model = fitted(pipeline(), X, y)
    again = fitted(clone(model), X, y)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_gpu_that_is_not_there_is_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(InputError, match="MER_DEVICE: cuda, but torch finds no GPU here"):
        torch_classifier(Perceptron, {}, torch.optim.SGD, SETTINGS, "cuda")
    assert network().device == "cpu"


def test_float64_becomes_what_a_network_computes_in() -> None:
    X = np.arange(6, dtype=np.float64).reshape(2, 3)
    prepared = as_float32().fit_transform(X)
    assert prepared.dtype == np.float32 and np.array_equal(prepared, X)


# Validation data


def test_validation_data_draw_the_curve_and_change_nothing() -> None:
    X, y = four_clouds(120)
    models = []
    for moods in (y[80:], (y[80:] + 1) % 4):
        torch.manual_seed(4)
        model = pipeline()
        set_validation_data(model, X[:80], y[:80], X[80:], moods, keep_best=False)
        models.append(model.fit(X[:80], y[:80]))
    right, wrong = models
    assert np.array_equal(right.predict_proba(X), wrong.predict_proba(X))
    curve = learning_curve(right)
    assert [row["epoch"] for row in curve] == list(range(1, 13))
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]
    assert curve[-1]["valid_accuracy"] == pytest.approx(right.score(X[80:], y[80:]))
    assert curve[-1]["valid_accuracy"] > 0.8
    assert learning_curve(wrong)[-1]["valid_accuracy"] < 0.2


def test_validation_data_are_scaled_by_the_training_data() -> None:
    X, y = four_clouds(80)
    model = pipeline()
    set_validation_data(model, X[:40], y[:40], X[40:] + 100, y[40:], keep_best=False)
    _, valid = model[-1].get_split_datasets(X[:40], y[:40])
    expected = StandardScaler().fit(X[:40]).transform(X[40:] + 100)
    assert np.asarray(valid.X) == pytest.approx(expected, abs=1e-3)
    assert model[0].mean_ == pytest.approx(X[:40].mean(axis=0), abs=1e-5)


def test_training_accuracy_is_of_the_training_data() -> None:
    X, y = four_clouds(80)
    noise = np.random.default_rng(0).integers(4, size=40)
    model = pipeline(epochs=60, step_size=60)
    set_validation_data(model, X[:40], noise, X[40:], y[40:], keep_best=False)
    curve = learning_curve(fitted(model, X[:40], noise))
    assert curve[-1]["train_accuracy"] > curve[0]["train_accuracy"] + 0.2  # by rote
    assert curve[-1]["valid_accuracy"] < 0.7


@pytest.mark.parametrize("seed", range(3))
def test_the_papers_protocol_keeps_the_best_epoch(seed: int) -> None:
    X, y = four_clouds(80)
    noise = np.random.default_rng(5 + seed).integers(4, size=40)  # unrelated to X: the best epoch is luck
    model = pipeline()
    set_validation_data(model, X[:40], y[:40], X[40:], noise, keep_best=True)
    fitted(model, X[:40], y[:40], seed)
    scores = [row["valid_accuracy"] for row in learning_curve(model)]
    assert model.score(X[40:], noise) == pytest.approx(max(scores))
    assert max(scores) > scores[-1]


def test_cleared_validation_data_are_gone_and_the_model_predicts_the_same() -> None:
    X, y = four_clouds(80)
    model = pipeline()
    set_validation_data(model, X[:40], y[:40], X[40:], y[40:], keep_best=False)
    before = fitted(model, X[:40], y[:40]).predict_proba(X)
    clear_validation_data(model)
    assert model[-1].train_split is None
    assert np.array_equal(model.predict_proba(X), before)


def test_without_validation_data_the_curve_is_of_training_only() -> None:
    X, y = four_clouds(40)
    curve = learning_curve(fitted(pipeline(), X, y))
    assert all(set(row) == {"epoch", "train_loss", "train_accuracy"} for row in curve)


# Interruptions


class PressCtrlC(Callback):  # type: ignore[misc]  # skorch has no types
    """What happens when someone ends the program in the third epoch."""

    def on_epoch_end(self, net: TorchClassifier, **_: Any) -> None:
        """Interrupt."""
        if len(net.history) == 3:
            raise KeyboardInterrupt


def test_an_interrupted_training_is_no_trained_model() -> None:
    X, y = four_clouds(40)
    net = network()
    net.set_params(callbacks=[*net.callbacks, ("interruption", PressCtrlC())])
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y)
    assert len(net.history) == 3


def test_training_goes_on_from_where_it_stands() -> None:
    X, y = four_clouds(40)
    net = network()
    torch.manual_seed(0)
    net.partial_fit(X, y)
    assert len(net.history) == 12
    net.partial_fit(X, y)
    assert len(net.history) == 24
    net.fit(X, y)
    assert len(net.history) == 12
