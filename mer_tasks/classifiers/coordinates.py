"""Regression of where a song lies on the plane of valence and arousal, in two coordinates that a subclass chooses."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import SVR

from mer_tasks.classifiers.answers import pair_scores
from mer_tasks.classifiers.artist_folds import artist_folds
from mer_tasks.domain import MOODS, QUADRANT

CENTRES = 0.5 * np.array([QUADRANT[mood] for mood in MOODS])
"""Valence and arousal of each mood's quadrant at its centre, on a plane from -1 to 1."""


class CoordinateRegressor(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A support vector regression of each of two coordinates; the centre of its mood's quadrant is a song's place."""

    def __init__(
        self, C: float = 1.0, epsilon: float = 0.1, gamma: float = 1.0, random_state: int | None = None
    ) -> None:
        """Keep the settings, as scikit-learn does."""
        self.C, self.epsilon, self.gamma, self.random_state = C, epsilon, gamma, random_state

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Learn from rows, shape (n, n_features), their moods and `groups`, of which none is split.

        Raises:
            InputError: a mood has too few groups for places of songs that the regression was not trained on.
        """
        X, y = np.asarray(X, np.float64), np.asarray(y)
        self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
        targets = self.targets(CENTRES[y])
        found = np.empty((len(y), 2))
        for train, test in artist_folds(y, groups, self.random_state):
            for axis in (0, 1):
                found[test, axis] = self._machine().fit(X[train], targets[train, axis]).predict(X[test])
        self._calibrate(found, y)
        machines = [self._machine().fit(X, targets[:, axis]) for axis in (0, 1)]
        weights = np.zeros((2, len(X)))
        for row, machine in zip(weights, machines, strict=True):
            row[machine.support_] = machine.dual_coef_[0]
        self.intercept_ = np.array([machine.intercept_[0] for machine in machines])
        used = weights.any(axis=0)
        self.support_vectors_, self.weights_ = X[used], weights[:, used]
        return self

    @staticmethod
    def targets(points: np.ndarray) -> np.ndarray:
        """The coordinates of points that are given by valence and arousal, shape (n, 2)."""
        raise NotImplementedError

    def coordinates(self, X: np.ndarray) -> np.ndarray:
        """The coordinates of each row, shape (n, 2)."""
        return pair_scores(
            np.asarray(X, np.float64), self.support_vectors_, self.weights_, self.intercept_, self.gamma
        )

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n, n_classes)."""
        raise NotImplementedError

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable mood of each row."""
        found: np.ndarray = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return found

    def _calibrate(self, found: np.ndarray, y: np.ndarray) -> None:
        """Learn how sure coordinates are, from those `found` for songs of unseen artists and their moods."""
        raise NotImplementedError

    def _machine(self) -> SVR:
        return SVR(C=self.C, epsilon=self.epsilon, gamma=self.gamma)
