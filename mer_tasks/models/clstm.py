"""Convolutions and long short-term memory over the image, beside features that correlation-based selection keeps.

Hizlisoy, Yildirim and Tufekci, "Music emotion recognition using convolutional long short term memory deep neural
network", Engineering Science and Technology 24, 2021. Known are convolutions over log-mel energies and MFCC, standard
acoustic features beside them, the selection, and LSTM units followed by fully connected layers. Sizes and training
are chosen here, and that the selection is among the acoustic features alone: so the convolutions are trained with all
else, where the paper trains them first. The selection is made inside each training part.
"""

from typing import TYPE_CHECKING

from mer_tasks.models import sequence
from mer_tasks.settings import TABLES, Queue, Readable

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mer_tasks.models import Shapes

READS = Readable(TABLES.first, ("array",))
QUEUE: Queue = "default"


class Settings(sequence.Settings):
    """What the network is made of, as for the system `sequence`; it reads a table, then an array."""

    reads: tuple[str, str]


def build(settings: Settings, shapes: "Shapes", seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of rows that hold columns and an array flattened behind them."""
    from sklearn.pipeline import make_pipeline

    from mer_tasks.classifiers.columns_and_steps import ColumnsAndSteps

    (n_columns,), (n_rows, n_frames) = shapes
    network = sequence.network(settings, n_rows, n_columns, device)
    return make_pipeline(ColumnsAndSteps((n_rows, n_frames), settings.frames), network)
