"""Standardised columns, without those that hold nothing."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from mer_tasks.classifiers.answers import scaled
from mer_tasks.errors import InputError

SMALLEST = 1e-6
"""A column whose deviation is a smaller share of its largest number than this is constant but for rounding."""


class ColumnScaler(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Leaves out constant columns, standardises the others, and cuts what is far out.

    `StandardScaler` would make noise of a column that is constant but for rounding.
    """

    def fit(self, X: np.ndarray, y: Any = None) -> Self:
        """Learn which columns of rows, shape (n, n_features), are constant, and mean and deviation of the others.

        Raises:
            InputError: all are.
        """
        X = np.asarray(X, np.float64)
        deviation, largest = X.std(axis=0), np.abs(X).max(axis=0)
        self.columns_ = np.flatnonzero(deviation > SMALLEST * largest)
        if not len(self.columns_):
            raise InputError(
                f"all {X.shape[1]} features are the same for every song to train on; import other songs"
            )
        self.mean_, self.scale_ = X.mean(axis=0)[self.columns_], deviation[self.columns_]
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The columns that are not constant, float64."""
        return scaled(np.asarray(X), self.columns_, self.mean_, self.scale_)
