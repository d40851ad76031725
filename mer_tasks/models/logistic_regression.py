"""The paper's first model: logistic regression on standardised features."""

from typing import TYPE_CHECKING

from mer_tasks.settings import TABLES, Positive, PositiveFloat, Queue, SystemSettings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mer_tasks.models import Shapes

READS = TABLES
QUEUE: Queue = "default"


class Settings(SystemSettings):
    """Multinomial logistic regression: the inverse of its L2 penalty, and how many steps it may take."""

    C: PositiveFloat
    max_iter: Positive


def build(settings: Settings, shapes: "Shapes", seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of rows of features, shape (n, n_features)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from mer_tasks.classifiers.column_scaler import ColumnScaler

    return make_pipeline(
        ColumnScaler(), LogisticRegression(C=settings.C, max_iter=settings.max_iter, random_state=seed)
    )
