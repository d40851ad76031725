"""Where a song lies on the plane of valence and arousal, by regression, and its mood by the quadrant."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import SVR

from mer_tasks.classifiers.answers import pair_scores
from mer_tasks.domain import MOODS, QUADRANT
from mer_tasks.errors import InputError

FOLDS = 5
"""Regressions that are trained for the probabilities alone, each without a part of the artists."""

SMALLEST_SLOPE = 1e-3
"""Where unseen songs lie on the wrong side as often as on the right one, nothing is sure."""

CENTRES = 0.5 * np.array([QUADRANT[mood] for mood in MOODS])
"""Valence and arousal of each mood's quadrant at its centre, on a plane from -1 to 1."""


class PlaneRegressor(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A support vector regression of valence and one of arousal; the probable mood is that of the point's quadrant."""

    def __init__(
        self, C: float = 1.0, epsilon: float = 0.1, gamma: float = 1.0, random_state: int | None = None
    ) -> None:
        """Keep the settings, as scikit-learn does."""
        self.C, self.epsilon, self.gamma, self.random_state = C, epsilon, gamma, random_state

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Learn from rows, shape (n, n_features), their moods and `groups`, of which none is split.

        Raises:
            InputError: there are too few groups for points of songs that the regression was not trained on.
        """
        X, y = np.asarray(X, np.float64), np.asarray(y)
        groups = np.arange(len(y)) if groups is None else np.asarray(groups)
        self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
        targets = CENTRES[y]
        points = self._unseen_points(X, y, groups, targets)
        self.slopes_ = np.array([_slope(points[:, axis], targets[:, axis]) for axis in (0, 1)])
        machines = [self._machine().fit(X, targets[:, axis]) for axis in (0, 1)]
        weights = np.zeros((2, len(X)))
        for row, machine in zip(weights, machines, strict=True):
            row[machine.support_] = machine.dual_coef_[0]
        self.intercept_ = np.array([machine.intercept_[0] for machine in machines])
        used = weights.any(axis=0)
        self.support_vectors_, self.weights_ = X[used], weights[:, used]
        return self

    def plane(self, X: np.ndarray) -> np.ndarray:
        """Valence and arousal of each row, shape (n, 2)."""
        return pair_scores(
            np.asarray(X, np.float64), self.support_vectors_, self.weights_, self.intercept_, self.gamma
        )

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n, n_classes): of the side that valence lies on times that of arousal."""
        positive = 1 / (1 + np.exp(-self.slopes_ * self.plane(X)))
        signs = np.sign(CENTRES[self.classes_])
        sides = np.where(signs > 0, positive[:, None], 1 - positive[:, None]).prod(axis=2)
        found: np.ndarray = sides / sides.sum(axis=1, keepdims=True)
        return found

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The mood of each row's quadrant."""
        found: np.ndarray = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return found

    def _machine(self) -> SVR:
        return SVR(C=self.C, epsilon=self.epsilon, gamma=self.gamma)

    def _unseen_points(
        self, X: np.ndarray, y: np.ndarray, groups: np.ndarray, targets: np.ndarray
    ) -> np.ndarray:
        """The point of each row, from regressions that have not seen its group."""
        n_groups = len(np.unique(groups))
        if n_groups < 2:
            raise InputError(
                "all songs to train on are by one artist, too few to learn probabilities from others' songs:"
                " import more songs, or take models of system valence_arousal out of params.yaml"
            )
        points = np.empty((len(y), 2))
        splitter = StratifiedGroupKFold(min(FOLDS, n_groups), shuffle=True, random_state=self.random_state)
        for train, test in splitter.split(X, y, groups):
            for axis in (0, 1):
                points[test, axis] = self._machine().fit(X[train], targets[train, axis]).predict(X[test])
        return points


def _slope(points: np.ndarray, targets: np.ndarray) -> float:
    """How sure the side of a coordinate is by its size: Platt's sigmoid without offset, so that 0 parts the sides."""
    sides = targets > 0
    if sides.all() or not sides.any():
        return 1.0
    model = LogisticRegression(C=100.0, fit_intercept=False).fit(points[:, None], sides)
    return max(float(model.coef_[0, 0]), SMALLEST_SLOPE)
