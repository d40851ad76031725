"""Rows that hold columns and an array, flattened behind them, for a network that reads both."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from mer_tasks.classifiers.cfs import CfsSelector
from mer_tasks.classifiers.step_scaler import StepScaler, standardised, steps_of


class ColumnsAndSteps(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Standardises the columns, of which all but those that CFS keeps become 0, and the array's steps.

    `shape` is the array's, and `n_frames` of its frames become one step, as in `StepScaler`.
    """

    def __init__(self, shape: tuple[int, int] = (1, 1), n_frames: int = 1) -> None:
        """Keep the settings, as scikit-learn does."""
        self.shape, self.n_frames = shape, n_frames

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Learn from rows, shape (n, columns and values of the array), and their classes.

        Raises:
            InputError: all columns, or all rows of the arrays, are constant.
        """
        columns, arrays = self._parts(np.asarray(X))
        scaler = StepScaler().fit(columns)
        self.column_mean_, self.column_scale_ = scaler.mean_, scaler.scale_
        self.columns_ = CfsSelector().fit(scaler.transform(columns)[:, :, 0], y).columns_
        scaler = StepScaler(self.n_frames).fit(arrays)
        self.mean_, self.scale_ = scaler.mean_, scaler.scale_
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The columns, and the steps flattened behind them, float32."""
        columns, arrays = self._parts(np.asarray(X))
        scaled = standardised(columns, self.column_mean_, self.column_scale_)[:, :, 0]
        kept = np.zeros_like(scaled)
        kept[:, self.columns_] = scaled[:, self.columns_]
        steps = standardised(steps_of(arrays, self.n_frames), self.mean_, self.scale_)
        return np.hstack([kept, steps.reshape(len(X), -1)])

    def _parts(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns, shape (n, columns, 1), and arrays, shape (n, rows, frames)."""
        n_columns = X.shape[1] - self.shape[0] * self.shape[1]
        return X[:, :n_columns, None], X[:, n_columns:].reshape(len(X), *self.shape)
