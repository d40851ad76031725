"""Regression on the plane: scikit-learn's machines, the quadrant's mood, probabilities of unseen artists."""

import numpy as np
import pytest
from sklearn.svm import SVR

from mer_tasks.classifiers.column_scaler import ColumnScaler
from mer_tasks.classifiers.coordinates import CENTRES
from mer_tasks.classifiers.plane import PlaneRegressor
from mer_tasks.domain import MOODS, QUADRANT
from mer_tasks.errors import InputError
from mer_tasks.models.valence_arousal import QUEUE, Settings, build
from tests.systems import N_FEATURES, four_clouds

SETTINGS = Settings(system="valence_arousal", reads="musicnn", C=1.0, epsilon=0.1)


def test_settings_reach_the_estimator() -> None:
    model = build(SETTINGS, ((N_FEATURES,),), 7, "cpu")
    assert [type(step) for step in model] == [ColumnScaler, PlaneRegressor]
    last = model[-1]
    assert (last.C, last.epsilon, last.gamma, last.random_state) == (1.0, 0.1, 1 / N_FEATURES, 7)
    assert QUEUE == "default"


@pytest.mark.parametrize("axis", [0, 1])
def test_coordinates_are_scikit_learns(axis: int) -> None:
    X, y = four_clouds(80)
    X = X + np.random.default_rng(1).normal(0, 3, X.shape)
    new = np.random.default_rng(2).normal(0, 3, (50, N_FEATURES))
    theirs = SVR(C=2.0, epsilon=0.05, gamma=0.02).fit(X, CENTRES[y, axis])
    ours = PlaneRegressor(C=2.0, epsilon=0.05, gamma=0.02).fit(X, y)
    np.testing.assert_allclose(ours.coordinates(new)[:, axis], theirs.predict(new), atol=1e-9)


def test_the_mood_is_the_quadrants() -> None:
    X, y = four_clouds(80)
    X = X + np.random.default_rng(1).normal(0, 2, X.shape)
    model = PlaneRegressor(gamma=1 / N_FEATURES).fit(X, y)
    signs = [(int(v), int(a)) for v, a in np.sign(model.coordinates(X))]
    assert [QUADRANT[MOODS[mood]] for mood in model.predict(X)] == signs


def test_probabilities_do_not_trust_songs_by_an_artist_that_it_was_trained_on() -> None:
    """Songs of an artist are alike but for their mood, which is drawn: nothing can be learnt of other artists."""
    rng = np.random.default_rng(0)
    artists, moods = np.repeat(np.arange(60), 4), np.repeat(rng.permutation(np.arange(60) % 4), 4)
    X = rng.normal(size=(60, N_FEATURES))[artists] + 0.01 * rng.normal(size=(240, N_FEATURES))
    new = rng.normal(size=(200, N_FEATURES))
    apart, mixed = (
        build(SETTINGS, ((N_FEATURES,),), 0, "cpu")
        .fit(X, moods, **given)
        .predict_proba(new)
        .max(axis=1)
        .mean()
        for given in ({"planeregressor__groups": artists}, {})
    )
    assert apart < mixed - 0.05


def test_songs_by_one_artist_are_refused() -> None:
    X, y = four_clouds(80)
    with pytest.raises(InputError, match=r"^mood calm has songs by 1 artists to train on, too few"):
        build(SETTINGS, ((N_FEATURES,),), 0, "cpu").fit(X, y, planeregressor__groups=np.zeros(80))
