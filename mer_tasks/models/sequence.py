"""Networks over time, trained whole: convolutions, a recurrent layer, fully connected layers, each by its settings.

Entries of params.yaml make of it

- `cnn`, and with a recurrent layer `cnn_lstm` and `cnn_gru`: the paper names them as what to try next. It gives no
  sizes; all are chosen here. Filters see all rows of the image, for its neighbouring rows are no neighbours in sound.
- `bilstm`: the frozen ResNet-18's output over windows of ten seconds, read in both directions.
- `rnn`: Rajesh and Nalini, "Musical instrument emotion recognition using deep recurrent neural network", Procedia
  Computer Science 167, 2020. Known are the features (MFCC, CENS, chroma, centroid, bandwidth, rolloff, zero-crossing
  rate) and that LSTM units read them; sizes and training are chosen here.
- `musicnn_gru`: ours, on the penultimate layer of a network that was trained to tell tags.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mer_tasks.settings import ONE_ARRAY, Positive, Queue, TorchSettings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mer_tasks.models import Shapes
    from mer_tasks.networks.torch_classifier import TorchClassifier

READS = ONE_ARRAY
QUEUE: Queue = "default"
"""Its layers are so small that a GPU would mostly wait for the next batch."""

Width = Annotated[int, Field(gt=0, le=100_000)]


class Settings(TorchSettings):
    """What the network is made of.

    `frames` become one step, their mean; then come a convolution over `kernel_size` steps for each of `channels`, a
    recurrent layer of `units` a direction unless `cell` is `none`, and fully connected layers of widths `hidden`.
    `dropout` is the share that is left out before the last two.
    """

    frames: Positive
    channels: tuple[Width, ...]
    kernel_size: Positive
    cell: Literal["none", "rnn", "lstm", "gru"]
    units: Width
    bidirectional: bool
    hidden: tuple[Width, ...]
    dropout: Annotated[float, Field(ge=0, lt=1)]


def build(settings: Settings, shapes: "Shapes", seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of arrays, shape (n, rows, frames)."""
    from sklearn.pipeline import make_pipeline

    from mer_tasks.classifiers.step_scaler import StepScaler

    return make_pipeline(StepScaler(settings.frames), network(settings, shapes[0][0], 0, device))


def network(settings: Settings, n_rows: int, n_columns: int, device: str) -> "TorchClassifier":
    """The unfitted network for arrays with so many rows, and columns before them."""
    import torch

    from mer_tasks.networks.sequence import SequenceNetwork
    from mer_tasks.networks.torch_classifier import torch_classifier

    own = settings.model_dump(exclude={"frames", *TorchSettings.model_fields})
    arguments = {"n_rows": n_rows, "n_columns": n_columns, **own}
    return torch_classifier(SequenceNetwork, arguments, torch.optim.AdamW, settings, device)
