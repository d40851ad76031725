"""Support vectors: scikit-learn's machine, probabilities that are learnt on other artists' songs, odd tables."""

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.svm import SVC

from mer_tasks.classifiers.column_scaler import ColumnScaler
from mer_tasks.classifiers.support_vectors import SupportVectorClassifier
from mer_tasks.errors import InputError
from mer_tasks.models.svm import QUEUE, Settings, build
from tests.systems import N_FEATURES, four_clouds

SETTINGS = Settings(system="svm", reads="musicnn", C=4.0)


def test_settings_reach_the_estimator() -> None:
    model = build(SETTINGS, ((N_FEATURES,),), 7, "cpu")
    assert [type(step) for step in model] == [ColumnScaler, SupportVectorClassifier]
    assert (model[-1].C, model[-1].gamma, model[-1].random_state) == (4.0, 1 / N_FEATURES, 7)
    assert QUEUE == "default"


def test_scores_are_scikit_learns() -> None:
    X, y = four_clouds(80)
    rng = np.random.default_rng(0)
    X += rng.normal(0, 3, X.shape)  # so that classes overlap, and some vectors lie at the bound
    ours = SupportVectorClassifier(C=2.0, gamma=0.05).fit(X, y)
    theirs = SVC(C=2.0, gamma=0.05, decision_function_shape="ovo").fit(X, y)
    new = rng.normal(0, 3, (50, N_FEATURES))
    from mer_tasks.classifiers.answers import pair_scores

    scores = pair_scores(new, ours.support_vectors_, ours.pair_coef_, ours.intercept_, ours.gamma)
    np.testing.assert_allclose(scores, theirs.decision_function(new), atol=1e-9)


def test_probabilities_do_not_trust_songs_by_an_artist_that_was_learnt() -> None:
    """Songs of an artist are alike but for their mood, which is drawn: nothing can be learnt of other artists."""
    rng = np.random.default_rng(0)
    artists, moods = np.repeat(np.arange(60), 4), np.repeat(rng.permutation(np.arange(60) % 4), 4)
    X = rng.normal(size=(60, N_FEATURES))[artists] + 0.01 * rng.normal(size=(240, N_FEATURES))
    new, truth = rng.normal(size=(200, N_FEATURES)), rng.integers(0, 4, 200)
    apart, mixed = (
        build(SETTINGS, ((N_FEATURES,),), 0, "cpu").fit(X, moods, **given).predict_proba(new)
        for given in ({"supportvectorclassifier__groups": artists}, {})
    )
    assert log_loss(truth, apart) < 1.6 < log_loss(truth, mixed)


@pytest.mark.parametrize("n", [1, 2])
def test_a_mood_of_few_artists(n: int) -> None:
    X, y = four_clouds(80)
    artists = np.arange(80)
    artists[y == 2] = 1000 + np.arange(20) % n
    model = build(SETTINGS, ((N_FEATURES,),), 0, "cpu")
    if n == 1:
        with pytest.raises(InputError, match=r"^mood energetic has songs by 1 artists to train on, too few"):
            model.fit(X, y, supportvectorclassifier__groups=artists)
    else:
        assert model.fit(X, y, supportvectorclassifier__groups=artists).score(X, y) > 0.9


def test_columns_that_hold_nothing_do_not_matter() -> None:
    """A column that is constant but for rounding would be noise after `StandardScaler`."""
    X, y = four_clouds(80)
    rng = np.random.default_rng(0)
    nothing = np.float32([0.0, 0.7, -3e4, 1e-20]) * (1 + 3e-8 * rng.normal(size=(80, 4)))
    wide = np.hstack([X, nothing])
    plain, other = (
        build(SETTINGS, ((N_FEATURES,),), 0, "cpu").fit(rows, y).predict_proba(rows) for rows in (X, wide)
    )
    np.testing.assert_allclose(other, plain, atol=1e-6)


def test_small_units_are_no_reason_to_leave_a_column_out() -> None:
    X, y = four_clouds(80)
    scaler = ColumnScaler().fit(X * np.float32(1e-9), y)
    assert len(scaler.columns_) == N_FEATURES


def test_what_is_far_out_is_cut() -> None:
    X, _ = four_clouds(80)
    odd = X.copy()
    odd[0, 0] = 1e9
    assert np.abs(ColumnScaler().fit(X).transform(odd)).max() == 8.0


def test_songs_that_are_all_the_same_teach_nothing() -> None:
    y = np.arange(80) % 4
    with pytest.raises(InputError, match=r"^all 12 features are the same for every song to train on; import"):
        build(SETTINGS, ((N_FEATURES,),), 0, "cpu").fit(np.ones((80, N_FEATURES)), y)
