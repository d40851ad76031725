"""Regression in polar coordinates: scikit-learn's machines, sectors of emotions, moods of their quadrants."""

import numpy as np
import pytest
from sklearn.svm import SVR

from mer_tasks.classifiers.column_scaler import ColumnScaler
from mer_tasks.classifiers.coordinates import CENTRES
from mer_tasks.classifiers.polar import EDGES, EMOTIONS, PolarRegressor, sectors
from mer_tasks.domain import MOODS, QUADRANT
from mer_tasks.errors import InputError
from mer_tasks.models.smers import QUEUE, Settings, build
from tests.systems import N_FEATURES, four_clouds

SETTINGS = Settings(system="smers", reads=("summary",), C=1.0, epsilon=0.1)


def test_settings_reach_the_estimator() -> None:
    model = build(SETTINGS, ((N_FEATURES,),), 7, "cpu")
    assert [type(step) for step in model] == [ColumnScaler, PolarRegressor]
    last = model[-1]
    assert (last.C, last.epsilon, last.gamma, last.random_state) == (1.0, 0.1, 1 / N_FEATURES, 7)
    assert QUEUE == "default"


def test_eleven_emotions_share_the_quadrants_of_their_moods() -> None:
    middles = (EDGES[:-1] + EDGES[1:]) / 2
    assert len(EMOTIONS) == len({name for name, _ in EMOTIONS}) == 11
    for angle, (_, mood) in zip(middles, EMOTIONS, strict=True):
        assert (np.sign(np.cos(angle)), np.sign(np.sin(angle))) == QUADRANT[mood]
    assert EDGES[-1] == pytest.approx(np.pi)


def test_coordinates_are_scikit_learns() -> None:
    X, y = four_clouds(80)
    X = X + np.random.default_rng(1).normal(0, 3, X.shape)
    new = np.random.default_rng(2).normal(0, 3, (50, N_FEATURES))
    angles = np.arctan2(CENTRES[y, 1], CENTRES[y, 0])
    theirs = SVR(C=2.0, epsilon=0.05, gamma=0.02).fit(X, angles)
    found = PolarRegressor(C=2.0, epsilon=0.05, gamma=0.02).fit(X, y).coordinates(new)
    np.testing.assert_allclose(found[:, 1], theirs.predict(new), atol=1e-9)
    np.testing.assert_allclose(found[:, 0], np.hypot(0.5, 0.5), atol=0.05)  # the same for every song


@pytest.mark.parametrize(
    ("degrees", "emotion"),
    [(-165, "sad"), (15, "pleased"), (80, "excited"), (130, "angry"), (175, "nervous")],
)
def test_a_sure_song_has_the_emotion_of_its_angle(degrees: float, emotion: str) -> None:
    chances = sectors(np.array([[1.0, np.radians(degrees)]]), 1.0, 100.0)[0]
    assert EMOTIONS[chances.argmax()][0] == emotion
    assert chances.sum() == pytest.approx(1)


def test_beyond_the_outermost_emotion_there_is_none() -> None:
    far, farther = sectors(np.array([[1.0, 2.5], [1.0, 9.0]]), 1.5, 4.0)
    assert np.array_equal(far, farther)


def test_a_song_near_the_centre_has_no_emotion() -> None:
    near, far = sectors(np.array([[0.01, 0.8], [1.0, 0.8]]), 1.0, 4.0)
    assert near.max() < 0.15
    assert far.max() > 0.3


def test_what_the_regression_pulls_to_the_middle_is_stretched_back() -> None:
    X, y = four_clouds(160)
    model = build(SETTINGS, ((N_FEATURES,),), 0, "cpu").fit(X, y)[-1]
    assert model.stretch_ > 1.2


def test_a_mood_s_probability_is_that_of_its_emotions() -> None:
    X, y = four_clouds(80)
    model = PolarRegressor(gamma=1 / N_FEATURES).fit(X, y)
    emotions = model.emotions(X)
    for place, mood in enumerate(MOODS):
        own = [one == mood for _, one in EMOTIONS]
        assert model.predict_proba(X)[:, place] == pytest.approx(emotions[:, own].sum(axis=1), abs=1e-5)


def test_probabilities_do_not_trust_songs_by_an_artist_that_it_was_trained_on() -> None:
    """Songs of an artist are alike but for their mood, which is drawn: nothing can be learnt of other artists."""
    rng = np.random.default_rng(0)
    artists, moods = np.repeat(np.arange(60), 4), np.repeat(rng.permutation(np.arange(60) % 4), 4)
    X = rng.normal(size=(60, N_FEATURES))[artists] + 0.01 * rng.normal(size=(240, N_FEATURES))
    apart, mixed = (
        build(SETTINGS, ((N_FEATURES,),), 0, "cpu").fit(X, moods, **given)[-1].concentration_
        for given in ({"polarregressor__groups": artists}, {})
    )
    assert 3 * apart < mixed


def test_songs_by_one_artist_are_refused() -> None:
    X, y = four_clouds(80)
    with pytest.raises(InputError, match=r"^mood calm has songs by 1 artists to train on"):
        build(SETTINGS, ((N_FEATURES,),), 0, "cpu").fit(X, y, polarregressor__groups=np.zeros(80))
