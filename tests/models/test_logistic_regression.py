"""Logistic regression: its settings reach scikit-learn, and features of any scale count alike."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mer_tasks.classifiers.column_scaler import ColumnScaler
from mer_tasks.models.logistic_regression import QUEUE, Settings, build
from tests.systems import N_FEATURES, four_clouds

SETTINGS = Settings(system="logistic_regression", reads="summary", C=0.25, max_iter=321)


def test_settings_reach_the_estimator() -> None:
    model = build(SETTINGS, ((N_FEATURES,),), 7, "cpu")
    assert [type(step) for step in model] == [ColumnScaler, LogisticRegression]
    assert (model[-1].C, model[-1].max_iter, model[-1].random_state) == (0.25, 321, 7)
    assert QUEUE == "default"


def test_the_scale_of_a_feature_does_not_matter() -> None:
    X, y = four_clouds(120)
    scaled = X * np.logspace(-2, 3, N_FEATURES) + 50
    plain, other = (
        build(SETTINGS, ((N_FEATURES,),), 0, "cpu").fit(rows, y).predict_proba(rows) for rows in (X, scaled)
    )
    assert other == pytest.approx(plain, abs=1e-3)


def test_a_firmer_penalty_gives_smaller_weights() -> None:
    X, y = four_clouds(120)
    firm, loose = (
        build(SETTINGS.model_copy(update={"C": C}), ((N_FEATURES,),), 0, "cpu").fit(X, y)[-1]
        for C in (0.01, 10.0)
    )
    assert 3 * np.abs(firm.coef_).sum() < np.abs(loose.coef_).sum()
