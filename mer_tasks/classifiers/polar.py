"""The direction in which a song lies on Thayer's plane, by regression, and its emotion and mood by the direction."""

import numpy as np
from scipy.optimize import minimize
from scipy.stats import vonmises

from mer_tasks.classifiers.coordinates import CoordinateRegressor
from mer_tasks.domain import Mood

EMOTIONS: tuple[tuple[str, Mood], ...] = (
    ("sad", Mood.SAD),
    ("bored", Mood.SAD),
    ("sleepy", Mood.SAD),
    ("calm", Mood.CALM),
    ("peaceful", Mood.CALM),
    ("relaxed", Mood.CALM),
    ("pleased", Mood.HAPPY),
    ("happy", Mood.HAPPY),
    ("excited", Mood.HAPPY),
    ("angry", Mood.ENERGETIC),
    ("nervous", Mood.ENERGETIC),
)
"""Emotions of Thayer's plane against the clock from -180°, where valence is negative, and the mood of their quadrant."""

MOOD_OF = np.array([list(Mood).index(mood) for _, mood in EMOTIONS])
"""The place in `MOODS` of each emotion's mood."""

STEPS = np.pi / 2 / np.bincount(MOOD_OF)[MOOD_OF]
"""How wide each emotion's sector is: a quadrant's emotions share it."""

EDGES = np.r_[-np.pi, -np.pi + np.cumsum(STEPS)]

OUTERMOST = EDGES[:2].mean(), EDGES[-2:].mean()
"""Angles are cut at the middle of the first and of the last sector: beyond it another mood would be near."""

FLOOR = 1e-6
"""A probability below this counts as this when the calibration is learnt."""


class PolarRegressor(CoordinateRegressor):
    """A support vector regression of a song's distance from the centre and one of its angle.

    The angle is cut at ±180°, between `energetic` and `sad`, which are confused least. A regression pulls what it is not
    sure of towards the middle, 0°; `stretch_` undoes that. How far off an angle may be follows von Mises' distribution
    of `concentration_` times the distance.
    """

    @staticmethod
    def targets(points: np.ndarray) -> np.ndarray:
        """The distance from the centre, and the angle from -pi to pi, of points, shape (n, 2)."""
        valence, arousal = points.T
        return np.column_stack([np.hypot(valence, arousal), np.arctan2(arousal, valence)])

    def emotions(self, X: np.ndarray) -> np.ndarray:
        """The probability of each of `EMOTIONS`, shape (n, 11): of its sector around the angle."""
        return sectors(self.coordinates(X), self.stretch_, self.concentration_)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n, n_classes): of all emotions of a mood."""
        return _moods(self.emotions(X), self.classes_)

    def _calibrate(self, found: np.ndarray, y: np.ndarray) -> None:
        """Learn stretch and concentration: those of the least log loss."""
        classes, own = np.unique(y, return_inverse=True)

        def loss(logarithms: np.ndarray) -> float:
            moods = _moods(sectors(found, *np.exp(logarithms)), classes)
            return float(-np.log(np.maximum(moods[np.arange(len(own)), own], FLOOR)).mean())

        bounds = [(0.0, np.log(5)), (np.log(0.01), np.log(100))]
        best = minimize(loss, x0=[0.3, 1.0], bounds=bounds, method="Nelder-Mead")
        self.stretch_, self.concentration_ = (float(value) for value in np.exp(best.x))


def sectors(polar: np.ndarray, stretch: float, concentration: float) -> np.ndarray:
    """The probabilities of emotions, shape (n, 11), for distances and angles, shape (n, 2)."""
    distance, angle = polar[:, 0], np.clip(stretch * polar[:, 1], *OUTERMOST)
    sure = np.maximum(concentration * distance, FLOOR)
    chances: np.ndarray = np.diff(vonmises.cdf(EDGES - angle[:, None], sure[:, None]), axis=1)
    return chances.clip(0)  # rounding may leave less than nothing


def _moods(emotions: np.ndarray, classes: np.ndarray) -> np.ndarray:
    sums = np.column_stack([emotions[:, one == MOOD_OF].sum(axis=1) for one in classes]) + FLOOR
    found: np.ndarray = sums / sums.sum(axis=1, keepdims=True)
    return found
