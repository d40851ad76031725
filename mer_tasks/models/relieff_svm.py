"""Features chosen by ReliefF, then support vectors with a radial basis kernel.

Panda, Malheiro and Paiva, "Novel audio features for music emotion recognition", IEEE Transactions on Affective
Computing 11, 2018: ReliefF ranks the features, and 100 of them gave their best F1. Known are the ranking, the
kernel and that number; the neighbours and the machine's cost are chosen here. They ranked once over all songs;
here the choice is made inside each training part.
"""

from typing import TYPE_CHECKING

from mer_tasks.models import n_columns
from mer_tasks.settings import TABLES, Positive, PositiveFloat, Queue, SystemSettings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mer_tasks.models import Shapes

READS = TABLES
QUEUE: Queue = "default"


class Settings(SystemSettings):
    """How many features are kept, how many neighbours of each mood decide, and what a song on the wrong side costs."""

    n_features: Positive
    n_neighbors: Positive
    C: PositiveFloat


def build(settings: Settings, shapes: "Shapes", seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of rows of features, shape (n, n_features)."""
    from sklearn.pipeline import make_pipeline

    from mer_tasks.classifiers.column_scaler import ColumnScaler
    from mer_tasks.classifiers.relieff import ReliefFSelector
    from mer_tasks.classifiers.support_vectors import SupportVectorClassifier

    n_features = min(settings.n_features, n_columns(shapes))
    return make_pipeline(
        ColumnScaler(),
        ReliefFSelector(n_features, settings.n_neighbors),
        SupportVectorClassifier(settings.C, gamma=1 / n_features, random_state=seed),
    )
