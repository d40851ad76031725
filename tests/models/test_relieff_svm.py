"""ReliefF against its definition, and what it chooses."""

import numpy as np
import pytest

from mer_tasks.classifiers.column_scaler import ColumnScaler
from mer_tasks.classifiers.relieff import ReliefFSelector, relieff
from mer_tasks.classifiers.support_vectors import SupportVectorClassifier
from mer_tasks.models.relieff_svm import QUEUE, Settings, build
from tests.systems import N_FEATURES, four_clouds


def test_settings_reach_the_estimators() -> None:
    settings = Settings(system="relieff_svm", reads="summary", n_features=5, n_neighbors=3, C=2.0)
    model = build(settings, ((N_FEATURES,),), 7, "cpu")
    assert [type(step) for step in model] == [ColumnScaler, ReliefFSelector, SupportVectorClassifier]
    assert (model[1].n_features, model[1].n_neighbors) == (5, 3)
    assert (model[-1].C, model[-1].gamma, model[-1].random_state) == (2.0, 1 / 5, 7)
    assert QUEUE == "default"


def test_more_features_than_there_are_keep_all() -> None:
    settings = Settings(system="relieff_svm", reads="summary", n_features=500, n_neighbors=3, C=2.0)
    model = build(settings, ((N_FEATURES,),), 7, "cpu").fit(*four_clouds(80))
    assert np.array_equal(model[1].columns_, np.arange(N_FEATURES))


def test_weights_by_hand() -> None:
    """Four songs, one neighbour: the first feature parts the classes, the second only differs within them."""
    X = np.array([[0.0, 0.0], [0.0, 1.0], [2.0, 0.0], [2.0, 1.0]])
    assert relieff(X, np.array([0, 0, 1, 1]), n_neighbors=1) == pytest.approx([1.0, -1.0])


def test_other_classes_count_by_their_share_of_the_rows() -> None:
    X = np.array([[0.0], [0.0], [1.0], [1.0], [1.0], [0.5], [0.5]])
    y = np.array([0, 0, 1, 1, 1, 2, 2])
    p = np.array([2, 3, 2]) / 7
    expected = (
        2 * (p[1] * 1.0 + p[2] * 0.5) / (1 - p[0])
        + 3 * (p[0] * 1.0 + p[2] * 0.5) / (1 - p[1])
        + 2 * (p[0] * 0.5 + p[1] * 0.5) / (1 - p[2])
    ) / 7
    assert relieff(X, y, n_neighbors=2) == pytest.approx([expected])


def test_features_that_work_only_together_are_found() -> None:
    """The exclusive or of two features, among noise: each alone tells nothing."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (400, 8))
    y = ((X[:, 2] > 0) ^ (X[:, 5] > 0)).astype(int)
    assert set(ReliefFSelector(2).fit(X, y).columns_) == {2, 5}


def test_a_constant_feature_weighs_nothing() -> None:
    X, y = four_clouds(40)
    X[:, 6] = 3.0
    assert relieff(X, y, 10)[6] == 0.0


def test_a_class_of_one_song_has_no_neighbour_of_its_own() -> None:
    X, y = four_clouds(40)
    y[:] = 0
    y[0] = 1
    assert np.isfinite(relieff(X, y, 10)).all()
