"""A support vector machine whose probabilities are learnt on songs that it did not see.

scikit-learn's own machine gives scores for pairs of classes. A logistic regression turns them into probabilities; it
is fitted to scores from machines that were trained without the song's artist, for those of songs that a machine
has learnt are far too sure.
"""

from itertools import combinations
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from mer_tasks.classifiers.answers import pair_scores, softmax
from mer_tasks.classifiers.artist_folds import artist_folds


class SupportVectorClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A support vector machine with the kernel exp(-gamma |x - v|²) and calibrated probabilities."""

    def __init__(self, C: float = 1.0, gamma: float = 1.0, random_state: int | None = None) -> None:
        """Keep the settings, as scikit-learn does."""
        self.C, self.gamma, self.random_state = C, gamma, random_state

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Learn from rows, shape (n, n_features), their classes and `groups`, of which none is split.

        Raises:
            InputError: a class has too few groups for scores of songs that were not learnt.
        """
        X, y = np.asarray(X, np.float64), np.asarray(y)
        self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
        calibration = LogisticRegression(max_iter=1000).fit(self._unseen_scores(X, y, groups), y)
        self.calibration_coef_, self.calibration_intercept_ = calibration.coef_, calibration.intercept_
        machine = self._machine().fit(X, y)
        self.support_vectors_, self.intercept_ = machine.support_vectors_, machine.intercept_
        self.pair_coef_ = _pair_weights(machine)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n, n_classes)."""
        scores = pair_scores(
            np.asarray(X), self.support_vectors_, self.pair_coef_, self.intercept_, self.gamma
        )
        return softmax(scores @ self.calibration_coef_.T + self.calibration_intercept_)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable class of each row."""
        found: np.ndarray = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return found

    def _machine(self) -> SVC:
        return SVC(C=self.C, gamma=self.gamma, decision_function_shape="ovo", random_state=self.random_state)

    def _unseen_scores(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
        """Scores of each row for pairs of classes, from a machine that has not seen its group."""
        scores = np.empty((len(y), len(self.classes_) * (len(self.classes_) - 1) // 2))
        for train, test in artist_folds(y, groups, self.random_state):
            scores[test] = self._machine().fit(X[train], y[train]).decision_function(X[test])
        return scores


def _pair_weights(machine: SVC) -> np.ndarray:
    """The weights of the support vectors for each pair of classes, shape (n_pairs, n_vectors).

    scikit-learn keeps, of a class's vectors, a row of weights for each other class, in order.
    """
    ends = np.cumsum([0, *machine.n_support_])
    pairs = list(combinations(range(len(machine.n_support_)), 2))
    weights = np.zeros((len(pairs), ends[-1]))
    for row, (one, other) in zip(weights, pairs, strict=True):
        for of, against in ((one, other - 1), (other, one)):
            place = slice(ends[of], ends[of + 1])
            row[place] = machine.dual_coef_[against, place]
    return weights
