"""Networks over time: what settings make of them, any number of steps, and steps that are means of frames."""

from typing import Any

import numpy as np
import pytest
import torch

from mer_tasks.classifiers.step_scaler import StepScaler
from mer_tasks.errors import InputError
from mer_tasks.models.sequence import QUEUE, Settings, build
from mer_tasks.networks.sequence import SequenceNetwork
from mer_tasks.settings import load_params
from tests.systems import ROOT

ENTRIES = {
    name: entry
    for name, entry in load_params(ROOT / "params.yaml").models.items()
    if isinstance(entry, Settings) and entry.system == "sequence"
}


@pytest.mark.parametrize(
    ("name", "n_convolutions", "recurrent"),
    [
        ("cnn", 2, None),
        ("cnn_lstm", 2, torch.nn.LSTM),
        ("cnn_gru", 2, torch.nn.GRU),
        ("bilstm", 0, torch.nn.LSTM),
        ("rnn", 0, torch.nn.LSTM),
        ("musicnn_gru", 0, torch.nn.GRU),
    ],
)
def test_entries_of_params_yaml_are_what_their_names_say(
    name: str, n_convolutions: int, recurrent: type[torch.nn.Module] | None
) -> None:
    scaler, network = build(ENTRIES[name], ((20, 64),), 0, "cpu")
    module = network.initialize().module_
    assert scaler.n_frames == ENTRIES[name].frames
    assert len(module.convolutions) == n_convolutions
    assert type(module.recurrent) is (recurrent or type(None))
    assert QUEUE == "default"


def network(**changes: Any) -> SequenceNetwork:
    given: dict[str, Any] = {
        "n_rows": 5,
        "channels": (6, 7),
        "kernel_size": 3,
        "cell": "gru",
        "units": 4,
        "bidirectional": True,
        "hidden": (),
        "dropout": 0.5,
    }
    return SequenceNetwork(**given | changes)


@pytest.mark.parametrize("cell", ["none", "rnn", "lstm", "gru"])
@pytest.mark.parametrize("n_steps", [1, 2, 9, 40])
def test_any_number_of_steps_gives_a_logit_a_mood(cell: str, n_steps: int) -> None:
    logits = network(cell=cell).eval()(torch.randn(3, 5, n_steps))
    assert logits.shape == (3, 4) and torch.isfinite(logits).all()


def test_directions_and_head_have_their_widths() -> None:
    assert network().head.layers[0].in_features == 2 * 2 * 4
    assert network(bidirectional=False, hidden=(3,)).head.layers[0].in_features == 2 * 4
    assert network(cell="none").head.layers[0].in_features == 2 * 7
    assert network(channels=(), cell="none").head.layers[0].in_features == 2 * 5


def test_the_order_of_steps_matters_to_a_recurrent_layer_alone() -> None:
    torch.manual_seed(0)
    X = torch.randn(3, 5, 12)
    for cell, same in (("gru", False), ("none", True)):
        module = network(cell=cell, channels=()).eval()
        assert torch.allclose(module(X), module(X.flip(2)), atol=1e-5) is same


def test_a_step_is_the_mean_of_its_frames_and_the_last_may_have_fewer() -> None:
    X = np.arange(14, dtype=np.float32).reshape(1, 2, 7)
    scaler = StepScaler(3)
    scaler.mean_, scaler.scale_ = np.zeros(2), np.ones(2)
    assert scaler.transform(X).tolist() == [[[1, 4, 6], [8, 8, 8]]]


def test_rows_are_standardised_over_songs_and_steps_and_constant_ones_become_0() -> None:
    X = np.random.default_rng(0).normal(5, 3, (10, 4, 20)).astype(np.float32)
    X[:, 2] = 1e4
    found = StepScaler(2).fit(X).transform(X)
    assert found.dtype == np.float32 and found.shape == (10, 4, 10)
    assert not found[:, 2].any()
    np.testing.assert_allclose(found[:, [0, 1, 3]].mean(axis=(0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(found[:, [0, 1, 3]].std(axis=(0, 2)), 1, atol=1e-4)
    X[0, 0] = 1e7
    assert found.max() <= StepScaler().fit(found).transform(X).max() == 8.0
    with pytest.raises(InputError, match=r"^all 4 features are the same for every song"):
        StepScaler().fit(np.ones((10, 4, 20)))
