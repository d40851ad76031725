"""What a model is trained on: the rows of the representations that it reads, for the songs that have them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mer_tasks.catalog.dataset import Snapshot, read_snapshot
from mer_tasks.errors import InputError
from mer_tasks.features.dataset import Features, load_features
from mer_tasks.features.joined import JoinedRows, Rows
from mer_tasks.models import Shapes
from mer_tasks.objects import ObjectStore
from mer_tasks.settings import Params
from mer_tasks.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a model reads: `X` of shape (n, …), a row for each of `songs` in order; `names` of its columns or rows.

    `shapes` are those of a song's row of each representation; `X` has the rows of several flattened and joined.
    """

    reads: tuple[str, ...]
    names: tuple[str, ...]
    shapes: Shapes
    songs: pd.DataFrame
    X: Rows


def model_inputs(
    workspace: Workspace, params: Params, model: str, store: ObjectStore
) -> tuple[Snapshot, Inputs]:
    """The snapshot, and of its songs what the model reads; arrays are read from the feature `store`.

    Raises:
        InputError: no song has it all, or it holds missing values, or songs that the data set does not have.
    """
    snapshot, reads = read_snapshot(workspace.snapshot), params.models[model].reads
    read = [_representation(workspace.representation(name), snapshot, store) for name in reads]
    of_all = set.intersection(*(set(one.track_ids) for one in read))
    shared = [track_id for track_id in read[0].track_ids if track_id in of_all]
    if not shared:
        raise InputError(
            f"models.{model}.reads: no song of the data set has {' and '.join(reads)}; import songs that have it"
            " (docs/import.md), or let the model read another representation"
        )
    songs = snapshot.songs.set_index("track_id", drop=False).loc[shared].reset_index(drop=True)
    names = tuple(name for one in read for name in one.names)
    shapes = tuple(tuple(one.values.shape[1:]) for one in read)
    return snapshot, Inputs(reads, names, shapes, songs, _rows(read, shared))


def _representation(folder: Path, snapshot: Snapshot, store: ObjectStore) -> Features:
    features = load_features(folder, store)
    if strangers := set(features.track_ids) - set(snapshot.songs["track_id"]):
        raise InputError(
            f"{folder}: of another data set, it has song {min(strangers)}; run mer features again"
        )
    if isinstance(features.values, np.ndarray) and not np.isfinite(features.values).all():
        raise InputError(f"{folder}: holds missing values; run mer features again")
    return features


def _rows(read: list[Features], shared: list[str]) -> Rows:
    """The rows of the shared songs; tables are joined at once, arrays as they are asked for."""
    if len(read) == 1:
        return read[0].values
    parts = [(one.values, pd.Index(one.track_ids).get_indexer(pd.Index(shared))) for one in read]
    rows = JoinedRows(parts)
    in_memory = all(isinstance(one.values, np.ndarray) for one in read)
    return rows[:] if in_memory else rows
