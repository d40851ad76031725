"""The mean of several classifiers' probabilities."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline

from mer_tasks.classifiers.groups import fit_with_groups

Member = tuple[str, np.ndarray, Pipeline]
"""A classifier's name, the places of the columns that it reads, and its unfitted pipeline."""


class MeanClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Gives the mean of its members' probabilities, each fitted to columns of its own."""

    def __init__(self, members: Sequence[Member]) -> None:
        """Keep the members, as scikit-learn does."""
        self.members = members

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Fit each member to its columns of rows, shape (n, n_features); `groups` go to those that take them."""
        self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
        for _, columns, model in self.members:
            fit_with_groups(model, X[:, columns], y, groups)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n, n_classes)."""
        found = [model.predict_proba(X[:, columns]) for _, columns, model in self.members]
        return np.asarray(np.mean(found, axis=0))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable class of each row."""
        found: np.ndarray = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return found
