"""ReliefF: which features differ between near songs of different moods, and not between near songs of one.

Kononenko, "Estimating attributes: analysis and extensions of RELIEF", ECML 1994; Robnik-Šikonja and Kononenko,
"Theoretical and empirical analysis of ReliefF and RReliefF", Machine Learning 53, 2003.
"""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class ReliefFSelector(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps the `n_features` columns of the largest weight, which `n_neighbors` of each class decide for a row."""

    def __init__(self, n_features: int = 100, n_neighbors: int = 10) -> None:
        """Keep the settings, as scikit-learn does."""
        self.n_features, self.n_neighbors = n_features, n_neighbors

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Weigh the columns of rows, shape (n, n_features), by their classes."""
        self.columns_ = np.sort(
            np.argsort(-relieff(X, y, self.n_neighbors), kind="stable")[: self.n_features]
        )
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The columns that are kept, in their order."""
        kept: np.ndarray = np.asarray(X)[:, self.columns_]
        return kept


def relieff(X: np.ndarray, y: np.ndarray, n_neighbors: int) -> np.ndarray:
    """The weight of each column, shape (n_features,), from -1 to 1; an irrelevant one has about 0.

    A row's neighbours are its `n_neighbors` nearest, or all if they are fewer, of its own class and of each other
    one by the sum of differences, each as a share of its column's range; other classes count by their share of the rows.
    """
    X, y = np.asarray(X, np.float64), np.asarray(y)
    spans = np.ptp(X, axis=0)
    X = X / np.where(spans > 0, spans, 1)
    classes, counts = np.unique(y, return_counts=True)
    shares = dict(zip(classes, counts / len(y), strict=True))
    weights = np.zeros(X.shape[1])
    for row, own in enumerate(y):
        differences = np.abs(X - X[row])
        distances = differences.sum(axis=1)
        distances[row] = np.inf
        for one in classes:
            nearest = _nearest(distances, np.flatnonzero(y == one), n_neighbors)
            if len(nearest):
                share = -1.0 if one == own else shares[one] / (1 - shares[own])
                weights += share * differences[nearest].mean(axis=0)
    found: np.ndarray = weights / len(y)
    return found


def _nearest(distances: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    rows = rows[np.isfinite(distances[rows])]  # not the row itself
    return rows[np.argsort(distances[rows], kind="stable")[:n]]
