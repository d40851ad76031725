"""What a model reads of a song: one representation's values as they are, those of several flattened and joined."""

from collections.abc import Sequence

import numpy as np

from mer_tasks.features.dataset import StoredArrays

Values = np.ndarray | StoredArrays
"""Shape (n, …); what is too large for memory is read as its rows are asked for."""


def joined(values: Sequence[np.ndarray]) -> np.ndarray:
    """The values of one song: of one representation as they are, else float32 of shape (sum of sizes,)."""
    return values[0] if len(values) == 1 else np.concatenate([one.ravel() for one in values])


class JoinedRows:
    """Rows of several representations of the same songs, flattened and joined as they are asked for."""

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, parts: Sequence[tuple[Values, np.ndarray]]) -> None:
        """Of each representation the values, and for each song the place of its row among them."""
        self._parts = tuple(parts)
        n_columns = sum(int(np.prod(values.shape[1:])) for values, _ in self._parts)
        self.shape: tuple[int, int] = (len(self._parts[0][1]), n_columns)

    def __len__(self) -> int:
        """How many songs there are."""
        return self.shape[0]

    def __getitem__(self, index: slice | np.ndarray | list[int]) -> np.ndarray:
        """The rows of several songs, as NumPy indexes the first axis.

        Raises:
            InputError: one is missing or damaged in the store.
        """
        rows = [values[places[index]] for values, places in self._parts]
        return np.hstack([one.reshape(len(one), -1) for one in rows])


Rows = Values | JoinedRows
"""What a model is trained on, shape (n, …)."""
