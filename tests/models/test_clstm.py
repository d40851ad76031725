"""Correlation-based selection against Hall's formula and an exhaustive search, and the rows that a network gets."""

from itertools import combinations

import numpy as np
import pytest
import torch

from mer_tasks.classifiers.cfs import CfsSelector, best_first, correlations, merit
from mer_tasks.classifiers.step_scaler import StepScaler
from mer_tasks.models.clstm import build
from mer_tasks.networks.sequence import SequenceNetwork
from tests.systems import N_FEATURES, four_clouds, settings_of, shape_of, shapes_of


def test_merit_is_halls() -> None:
    with_class = np.array([0.5, 0.3, 0.4])
    between = np.array([[1.0, 0.2, 0.6], [0.2, 1.0, 0.1], [0.6, 0.1, 1.0]])
    k, r_cf, r_ff = 3, 0.4, 0.3
    assert merit((0, 1, 2), with_class, between) == pytest.approx(k * r_cf / np.sqrt(k + k * (k - 1) * r_ff))
    assert merit((1,), with_class, between) == pytest.approx(0.3)


def test_correlations_are_pearsons_and_the_class_counts_by_its_shares() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    X[:, 3] = 7.0
    with_class, between = correlations(X, y)
    pairs = np.abs(np.corrcoef(X[:, :3].T))
    np.testing.assert_allclose(between[:3, :3], pairs)
    expected = sum((y == c).mean() * abs(np.corrcoef(X[:, 1], y == c)[0, 1]) for c in range(3))
    assert with_class[1] == pytest.approx(expected)
    assert with_class[3] == 0 and not between[3].any()


@pytest.mark.parametrize("seed", range(5))
def test_the_search_finds_the_best_of_all_sets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, 80)
    X = rng.normal(size=(80, 7)) + 0.8 * rng.normal(size=(4, 7))[y]
    with_class, between = correlations(X, y)
    sets = [one for k in range(1, 8) for one in combinations(range(7), k)]
    best = max(sets, key=lambda one: merit(one, with_class, between))
    assert best_first(with_class, between) == best


def test_a_column_is_kept_once_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    X, y = four_clouds(200, (4,))
    wide = np.hstack([X, X, rng.normal(size=(200, 20))])
    kept = CfsSelector().fit(wide, y).columns_
    assert {int(column) % 4 for column in kept} == {0, 1, 2, 3} and len(kept) == 4


def test_where_nothing_goes_with_the_class_all_columns_are_kept() -> None:
    assert CfsSelector().fit(np.ones((8, 3)), np.arange(8) % 4).columns_.tolist() == [0, 1, 2]


def test_the_network_reads_what_is_kept_beside_the_steps() -> None:
    X, y = four_clouds(80, shape_of("clstm"))
    settings = settings_of("clstm")
    model = build(settings, shapes_of(settings), 0, "cpu").fit(X, y)  # type: ignore[arg-type]
    given, module = model[0].transform(X), model[-1].module_
    assert set(model[0].columns_) == {0, 1, 2, 3}
    assert not given[:, 4:N_FEATURES].any()
    np.testing.assert_allclose(given[:, :4].std(axis=0), 1, rtol=1e-4)
    arrays = StepScaler(32).fit_transform(X[:, N_FEATURES:].reshape(80, 8, 96))
    assert np.array_equal(given[:, N_FEATURES:].reshape(80, 8, 3), arrays)
    assert isinstance(module.recurrent, torch.nn.LSTM)
    assert module.head.layers[0].in_features == N_FEATURES + 2 * 64


def test_columns_and_steps_both_count() -> None:
    torch.manual_seed(0)
    module = SequenceNetwork(5, (), 1, "lstm", 4, False, (), 0.5, n_columns=3).eval()
    X = torch.randn(2, 3 + 5 * 7)
    for place in (0, 3, 37):
        other = X.clone()
        other[:, place] += 5
        assert not torch.allclose(module(X), module(other), atol=1e-4)
