"""A support vector machine with a radial basis kernel, on standardised features."""

from typing import TYPE_CHECKING

from mer_tasks.models import n_columns
from mer_tasks.settings import TABLES, PositiveFloat, Queue, SystemSettings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mer_tasks.models import Shapes

READS = TABLES
QUEUE: Queue = "default"


class Settings(SystemSettings):
    """How much a song on the wrong side costs; the kernel's gamma is one over the number of features."""

    C: PositiveFloat


def build(settings: Settings, shapes: "Shapes", seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of rows of features, shape (n, n_features)."""
    from sklearn.pipeline import make_pipeline

    from mer_tasks.classifiers.column_scaler import ColumnScaler
    from mer_tasks.classifiers.support_vectors import SupportVectorClassifier

    return make_pipeline(
        ColumnScaler(), SupportVectorClassifier(settings.C, gamma=1 / n_columns(shapes), random_state=seed)
    )
