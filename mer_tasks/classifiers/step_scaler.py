"""Arrays as short sequences: frames are averaged to fewer steps, and each row is standardised."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from mer_tasks.classifiers.answers import LARGEST
from mer_tasks.classifiers.column_scaler import SMALLEST
from mer_tasks.errors import InputError


class StepScaler(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Makes a step of each `n_frames` frames, their mean, and standardises each row over all songs and steps.

    A row that is constant becomes 0; what is far out is cut.
    """

    def __init__(self, n_frames: int = 1) -> None:
        """Keep the settings, as scikit-learn does."""
        self.n_frames = n_frames

    def fit(self, X: np.ndarray, y: Any = None) -> Self:
        """Learn mean and deviation of each row of arrays, shape (n, rows, frames).

        Raises:
            InputError: all rows are constant.
        """
        steps = steps_of(X, self.n_frames)
        self.mean_ = steps.mean(axis=(0, 2), dtype=np.float64)
        deviation = steps.std(axis=(0, 2), dtype=np.float64)
        constant = deviation <= SMALLEST * np.abs(steps).max(axis=(0, 2))
        if constant.all():
            raise InputError(
                f"all {X.shape[1]} features are the same for every song to train on; import other songs"
            )
        self.scale_ = np.where(constant, np.inf, deviation)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The steps, float32 of shape (n, rows, steps); the last may be of fewer frames."""
        return standardised(steps_of(X, self.n_frames), self.mean_, self.scale_)


def steps_of(X: np.ndarray, n_frames: int) -> np.ndarray:
    """Means over each `n_frames` frames of arrays, shape (n, rows, frames)."""
    starts = np.arange(0, X.shape[2], n_frames)
    lengths = np.diff(starts, append=X.shape[2])
    means: np.ndarray = np.add.reduceat(X, starts, axis=2) / lengths.astype(np.float32)
    return means


def standardised(steps: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The rows of steps, shape (n, rows, steps), less their means, by their deviations; float32, cut at `LARGEST`."""
    found: np.ndarray = ((steps - mean[:, None]) / scale[:, None]).clip(-LARGEST, LARGEST).astype(np.float32)
    return found
