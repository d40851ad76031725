"""What a model is trained on: the rows of the representation that it reads, for the songs that have them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mer_tasks.catalog.dataset import Snapshot, read_snapshot
from mer_tasks.errors import InputError
from mer_tasks.features.dataset import StoredArrays, load_features
from mer_tasks.settings import Params
from mer_tasks.workspace import Workspace

Rows = np.ndarray | StoredArrays
"""Shape (n, …); what is too large for memory is read as its rows are asked for."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Rows of a representation: `X` of shape (n, …), a row for each of `songs` in order; `names` of its columns."""

    reads: str
    names: tuple[str, ...]
    songs: pd.DataFrame
    X: Rows


def model_inputs(workspace: Workspace, params: Params, model: str, store: Path) -> tuple[Snapshot, Inputs]:
    """The snapshot, and of its songs what the model reads; arrays are read from the feature `store`.

    Raises:
        InputError: no song has it, or it holds missing values, or songs that the data set does not have.
    """
    snapshot = read_snapshot(workspace.snapshot)
    reads = params.models[model].reads
    folder = workspace.representation(reads)
    features = load_features(folder, store)
    if not features.track_ids:
        raise InputError(
            f"models.{model}.reads: no song of the data set has {reads}; import songs that have it"
            " (docs/import.md), or let the model read another representation"
        )
    if strangers := set(features.track_ids) - set(snapshot.songs["track_id"]):
        raise InputError(
            f"{folder}: of another data set, it has song {min(strangers)}; run mer features again"
        )
    if isinstance(features.values, np.ndarray) and not np.isfinite(features.values).all():
        raise InputError(f"{folder}: holds missing values; run mer features again")
    songs = snapshot.songs.set_index("track_id", drop=False).loc[list(features.track_ids)]
    return snapshot, Inputs(reads, features.names, songs.reset_index(drop=True), features.values)
