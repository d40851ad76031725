"""Valence and arousal by support vector regression, the mood from the quadrant.

Yang, Lin, Su and Chen, "A regression approach to music emotion recognition", IEEE Transactions on Audio, Speech
and Language Processing 16, 2008. Theirs were songs whose valence and arousal people had rated. The songs here
carry a mood alone, so the centre of its quadrant stands in for both.
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
    """What an error beyond `epsilon` costs; the kernel's gamma is one over the number of features."""

    C: PositiveFloat
    epsilon: Annotated[float, Field(ge=0)]


def build(settings: Settings, shapes: "Shapes", seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of rows of features, shape (n, n_features)."""
    from sklearn.pipeline import make_pipeline

    from mer_tasks.classifiers.column_scaler import ColumnScaler
    from mer_tasks.classifiers.plane import PlaneRegressor

    return make_pipeline(
        ColumnScaler(),
        PlaneRegressor(settings.C, settings.epsilon, gamma=1 / n_columns(shapes), random_state=seed),
    )
