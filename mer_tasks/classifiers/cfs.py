"""Correlation-based feature selection: columns that go with the class and not with each other.

Hall, "Correlation-based feature selection for machine learning", PhD thesis, University of Waikato, 1999. A set of k
columns is worth k r_cf / sqrt(k + k (k - 1) r_ff), where r_cf is the mean of their correlations with the class and
r_ff the mean of those between them.
"""

import heapq
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

PATIENCE = 5
"""Expansions in a row that find nothing better before the search ends, as in Hall's."""

BETTER = 1 + 1e-9
"""A set is better than another beyond rounding: a column that stands there twice adds nothing."""


class CfsSelector(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps the columns of the set that a best-first search finds worth most; the others become 0.

    So a network that follows has a known width. Hall measures the correlation of discretised columns by symmetrical uncertainty. Here it is Pearson's, which for
    the class, as Hall has it for nominal ones, is the mean over the classes' indicators, weighted by their shares.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Search the sets of columns of rows, shape (n, n_features), with their classes.

        Where no column goes with the class at all, all are kept.
        """
        X = np.asarray(X, np.float64)
        self.n_features_in_ = X.shape[1]
        self.columns_ = np.array(best_first(*correlations(X, y)) or range(X.shape[1]))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The same with 0 in all columns but those that are kept."""
        kept = np.zeros_like(X)
        kept[:, self.columns_] = X[:, self.columns_]
        return kept


def correlations(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations without their signs of columns with the class, shape (n_features,), and with each other.

    The latter have shape (n_features, n_features). A constant column has none.
    """
    classes, counts = np.unique(y, return_counts=True)
    standard = _standardised(X)
    indicators = _standardised((np.asarray(y)[:, None] == classes).astype(np.float64))
    with_class = np.abs(standard.T @ indicators) @ (counts / len(y)) / len(y)
    between: np.ndarray = np.abs(standard.T @ standard) / len(y)
    return with_class, between


def merit(columns: tuple[int, ...], with_class: np.ndarray, between: np.ndarray) -> float:
    """What a set of columns is worth."""
    chosen = list(columns)
    inside = between[np.ix_(chosen, chosen)]
    return float(_merit(with_class[chosen].sum(), (inside.sum() - np.trace(inside)) / 2, len(chosen)))


def best_first(with_class: np.ndarray, between: np.ndarray) -> tuple[int, ...]:
    """The best set that a best-first search finds, which begins with none and adds a column at a time, in order.

    The most valuable set not yet expanded is next, until `PATIENCE` in a row lead to nothing better.
    """
    best, best_merit, in_vain = tuple[int, ...](), 0.0, 0
    waiting: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    seen: set[tuple[int, ...]] = {()}
    while waiting and in_vain < PATIENCE:
        _, columns = heapq.heappop(waiting)
        merits = _merits_with_one_more(columns, with_class, between)
        in_vain += 1
        if merits.max() > best_merit * BETTER:
            best_merit, in_vain = float(merits.max()), 0
            best = tuple(sorted((*columns, int(merits.argmax()))))
        for column in np.flatnonzero(np.isfinite(merits)):
            larger = tuple(sorted((*columns, int(column))))
            if larger not in seen:
                seen.add(larger)
                heapq.heappush(waiting, (-float(merits[column]), larger))
    return best


def _merits_with_one_more(
    columns: tuple[int, ...], with_class: np.ndarray, between: np.ndarray
) -> np.ndarray:
    """What the set and one more column are worth, for each column, shape (n_features,); -inf for its own."""
    chosen = list(columns)
    inside = between[np.ix_(chosen, chosen)]
    among = (inside.sum() - np.trace(inside)) / 2 + between[:, chosen].sum(axis=1)
    merits = _merit(with_class[chosen].sum() + with_class, among, len(chosen) + 1)
    merits[chosen] = -np.inf
    return merits


def _merit(with_class: np.ndarray, pairs: np.ndarray, k: int) -> np.ndarray:
    """k r_cf / sqrt(k + k (k - 1) r_ff) from sums: the k correlations with the class, those of all pairs."""
    found: np.ndarray = with_class / np.sqrt(k + 2 * pairs)
    return found


def _standardised(X: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and deviation 1; a constant one becomes 0."""
    deviation = X.std(axis=0)
    scale = np.where(deviation > 0, deviation, np.inf)
    found: np.ndarray = (X - X.mean(axis=0)) / scale
    return found
