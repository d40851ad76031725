"""Where a song lies on the plane of valence and arousal, by regression, and its mood by the quadrant."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from mer_tasks.classifiers.coordinates import CENTRES, CoordinateRegressor

SMALLEST_SLOPE = 1e-3
"""Where unseen songs lie on the wrong side as often as on the right one, nothing is sure."""


class PlaneRegressor(CoordinateRegressor):
    """A support vector regression of valence and one of arousal; the probable mood is that of the point's quadrant."""

    @staticmethod
    def targets(points: np.ndarray) -> np.ndarray:
        """Valence and arousal as they are, shape (n, 2)."""
        return points

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n, n_classes): of the side that valence lies on times that of arousal."""
        positive = 1 / (1 + np.exp(-self.slopes_ * self.coordinates(X)))
        signs = np.sign(CENTRES[self.classes_])
        sides = np.where(signs > 0, positive[:, None], 1 - positive[:, None]).prod(axis=2)
        found: np.ndarray = sides / sides.sum(axis=1, keepdims=True)
        return found

    def _calibrate(self, found: np.ndarray, y: np.ndarray) -> None:
        self.slopes_ = np.array([_slope(found[:, axis], CENTRES[y, axis]) for axis in (0, 1)])


def _slope(points: np.ndarray, targets: np.ndarray) -> float:
    """How sure the side of a coordinate is by its size: Platt's sigmoid without offset, so that 0 parts the sides."""
    sides = targets > 0
    if sides.all() or not sides.any():
        return 1.0
    model = LogisticRegression(C=100.0, fit_intercept=False).fit(points[:, None], sides)
    return max(float(model.coef_[0, 0]), SMALLEST_SLOPE)
