"""Gradient boosting: trees on the features as they are, each of which mends what those before it got wrong."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mer_tasks.settings import TABLES, Positive, PositiveFloat, Queue, SystemSettings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mer_tasks.models import Shapes

READS = TABLES
QUEUE: Queue = "default"


class Settings(SystemSettings):
    """Histogram gradient boosting: how many small trees, and how much each counts.

    `max_iter` trees a mood of at most `max_leaf_nodes` leaves, each of at least `min_samples_leaf` songs, weighted
    by `learning_rate` and shrunk by `l2_regularization`; a branch looks at a share of the features, `max_features`.
    """

    learning_rate: PositiveFloat
    max_iter: Positive
    max_leaf_nodes: Annotated[int, Field(ge=2)]
    min_samples_leaf: Positive
    l2_regularization: Annotated[float, Field(ge=0)]
    max_features: Annotated[float, Field(gt=0, le=1)]


def build(settings: Settings, shapes: "Shapes", seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of rows of features, shape (n, n_features)."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline

    own = settings.model_dump(exclude={"system", "reads"})
    return make_pipeline(HistGradientBoostingClassifier(**own, early_stopping=False, random_state=seed))
