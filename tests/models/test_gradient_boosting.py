"""Gradient boosting: its settings reach scikit-learn, and it finds what no straight line separates."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from mer_tasks.models.gradient_boosting import QUEUE, Settings, build
from mer_tasks.persistence import load_fitted, save_fitted
from tests.systems import N_FEATURES, four_clouds

SETTINGS = Settings(
    system="gradient_boosting",
    reads="summary",
    learning_rate=0.2,
    max_iter=30,
    max_leaf_nodes=6,
    min_samples_leaf=4,
    l2_regularization=0.5,
    max_features=0.75,
)


def test_settings_reach_the_estimator() -> None:
    (estimator,) = build(SETTINGS, ((N_FEATURES,),), 7, "cpu")
    assert isinstance(estimator, HistGradientBoostingClassifier)
    for key, value in SETTINGS.model_dump(exclude={"system", "reads"}).items():
        assert getattr(estimator, key) == value, key
    assert estimator.random_state == 7 and estimator.early_stopping is False
    assert QUEUE == "default"


def test_all_trees_are_grown_on_all_songs() -> None:
    X, y = four_clouds(120)
    (estimator,) = build(SETTINGS, ((N_FEATURES,),), 0, "cpu").fit(X, y)
    assert estimator.n_iter_ == SETTINGS.max_iter
    assert estimator.n_trees_per_iteration_ == 4


def test_it_finds_what_no_straight_line_separates() -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(600, 2))
    y = 2 * (X[:, 0] * X[:, 1] > 0) + (np.abs(X[:, 0]) > 0.5)
    trees = build(SETTINGS.model_copy(update={"max_features": 1.0}), ((2,),), 0, "cpu").fit(X[:400], y[:400])
    assert trees.score(X[400:], y[400:]) > 0.9
    assert LogisticRegression().fit(X[:400], y[:400]).score(X[400:], y[400:]) < 0.5


def test_the_scale_of_a_feature_does_not_matter() -> None:
    X, y = four_clouds(120)
    plain, scaled = (
        build(SETTINGS, ((N_FEATURES,),), 0, "cpu").fit(rows, y).predict(rows)
        for rows in (X, X * np.float32(1024))
    )
    assert np.array_equal(plain, scaled)


def test_the_seed_decides_which_features_a_branch_looks_at() -> None:
    X, y = four_clouds(120)
    few = SETTINGS.model_copy(update={"max_features": 0.2})
    one, other = (build(few, ((N_FEATURES,),), seed, "cpu").fit(X, y).predict_proba(X) for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_its_trees_are_stored_by_skops(tmp_path: Path) -> None:
    X, y = four_clouds(120)
    model = build(SETTINGS, ((N_FEATURES,),), 0, "cpu").fit(X, y)
    save_fitted(model, tmp_path)
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".skops", ".json"]
    loaded = load_fitted(build(SETTINGS, ((N_FEATURES,),), 0, "cpu"), tmp_path)
    assert np.array_equal(loaded.predict_proba(X + 0.5), model.predict_proba(X + 0.5))


@pytest.mark.parametrize(
    ("key", "value"),
    [("max_leaf_nodes", 1), ("max_features", 0.0), ("max_features", 1.5), ("l2_regularization", -0.1)],
)
def test_settings_out_of_range_are_refused(key: str, value: float) -> None:
    with pytest.raises(ValidationError, match=key):
        Settings.model_validate({**SETTINGS.model_dump(), key: value})
