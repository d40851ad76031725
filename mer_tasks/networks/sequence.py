"""Networks over time: convolutions, a recurrent layer, fully connected layers; each may be left out."""

from collections.abc import Sequence
from typing import Literal

import torch

from mer_tasks.networks.perceptron import Perceptron

Cell = Literal["none", "rnn", "lstm", "gru"]
"""What a recurrent layer is made of: Elman's units, Hochreiter and Schmidhuber's, or Cho et al.'s."""

CELLS = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}

POOL = 2
"""Steps that become one after each convolution: the strongest answer of each channel."""


class SequenceNetwork(torch.nn.Module):
    """One logit a mood of arrays, shape (n, rows, steps).

    Each of `channels` is a convolution over time that sees all rows, with batch normalisation, ReLU and a maximum
    over two steps. A recurrent layer of `units` a direction follows, unless `cell` is `none`. Mean and maximum over
    time, with `n_columns` that describe the whole song, go through fully connected layers of widths `hidden`.
    """

    def __init__(
        self,
        n_rows: int,
        channels: Sequence[int],
        kernel_size: int,
        cell: Cell,
        units: int,
        bidirectional: bool,
        hidden: Sequence[int],
        dropout: float,
        n_columns: int = 0,
    ) -> None:
        super().__init__()
        self.dropout = torch.nn.Dropout(dropout)
        self.convolutions = torch.nn.Sequential()
        width = n_rows
        for n_out in channels:
            self.convolutions.append(_convolution(width, n_out, kernel_size, dropout))
            width = n_out
        self.recurrent: torch.nn.RNNBase | None = None
        if cell != "none":
            self.recurrent = CELLS[cell](width, units, batch_first=True, bidirectional=bidirectional)
            width = units * (2 if bidirectional else 1)
        self.n_rows, self.n_columns = n_rows, n_columns
        self.head = Perceptron(n_columns + 2 * width, hidden)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, 4), of arrays, shape (n, rows, steps), or of columns with arrays flattened behind them."""
        columns = X[:, : self.n_columns].flatten(1)
        X = X[:, self.n_columns :].reshape(len(X), self.n_rows, -1)
        X = self.convolutions(X)
        if self.recurrent is not None:
            X = self.recurrent(self.dropout(X).transpose(1, 2))[0].transpose(1, 2)
        pooled = torch.cat([columns, X.mean(dim=2), X.amax(dim=2)], dim=1)
        logits: torch.Tensor = self.head(self.dropout(pooled))
        return logits


def _convolution(n_in: int, n_out: int, kernel_size: int, dropout: float) -> torch.nn.Module:
    """A convolution over time and what follows it; of any number of steps at least one remains."""
    return torch.nn.Sequential(
        torch.nn.Conv1d(n_in, n_out, kernel_size, padding="same", bias=False),
        torch.nn.BatchNorm1d(n_out),
        torch.nn.ReLU(),
        torch.nn.MaxPool1d(POOL, ceil_mode=True),
        torch.nn.Dropout1d(dropout / 2),  # whole channels: neighbouring steps say nearly the same
    )
