"""Convolutions, long short-term memory and a deep head on features that correlation-based selection keeps.

Hizlisoy, Yildirim and Tufekci, "Music emotion recognition using convolutional long short term memory deep neural
network", Engineering Science and Technology 24, 2021. Known are convolutions over log-mel energies and MFCC, standard
acoustic features beside them, the selection, and LSTM units followed by fully connected layers. Sizes and training
are chosen here, and what is selected: rows of frames, before the convolutions, so that all of the network is trained
at once. The selection is made inside each training part.
"""

from typing import TYPE_CHECKING

from mer_tasks.models import sequence
from mer_tasks.settings import Queue

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

READS = sequence.READS
QUEUE: Queue = "gpu"


class Settings(sequence.Settings):
    """What the network is made of, as for the system `sequence`."""


def build(settings: Settings, shape: tuple[int, ...], seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of arrays, shape (n, rows, frames)."""
    from sklearn.pipeline import make_pipeline

    from mer_tasks.classifiers.cfs import CfsSelector

    scaler, network = sequence.build(settings, shape, seed, device)
    return make_pipeline(scaler, CfsSelector(), network)
