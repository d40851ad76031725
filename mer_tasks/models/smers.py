"""Eleven emotions on Thayer's plane by support vector regression in polar coordinates, and the mood they belong to.

Han, Rho, Dannenberg and Hwang, "SMERS: Music emotion recognition using support vector regression", ISMIR 2009. Known
are the two regressions, of distance and angle, and the eleven emotions; theirs were songs of one known emotion each.
The songs here carry a mood alone, so the centre of its quadrant stands in: the regression of the distance learns that
it is the same everywhere, and the angle decides. Chosen here are the emotions' sectors, which share their quadrant
equally, where the angle is cut, and the probabilities (`classifiers/polar.py`).
"""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mer_tasks.models import n_columns
from mer_tasks.settings import TABLES, PositiveFloat, Queue, SystemSettings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mer_tasks.models import Shapes

READS = TABLES
QUEUE: Queue = "default"


class Settings(SystemSettings):
    """What an error beyond `epsilon` (of the distance from 0 to 1; of the angle in radians) costs.

    The kernel's gamma is one over the number of features.
    """

    C: PositiveFloat
    epsilon: Annotated[float, Field(ge=0)]


def build(settings: Settings, shapes: "Shapes", seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of rows of features, shape (n, n_features)."""
    from sklearn.pipeline import make_pipeline

    from mer_tasks.classifiers.column_scaler import ColumnScaler
    from mer_tasks.classifiers.polar import PolarRegressor

    return make_pipeline(
        ColumnScaler(),
        PolarRegressor(settings.C, settings.epsilon, gamma=1 / n_columns(shapes), random_state=seed),
    )
