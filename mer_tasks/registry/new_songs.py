"""The songs on which versions are compared: of the holdout, and new to each of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mer_tasks.audio.store import find_flaw
from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.evaluation.folds import split
from mer_tasks.registry.training_data import TrainingData
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

NAMED = 3
"""So many damaged clips are named; the rest is counted."""


@dataclass(frozen=True)
class NewSongs:
    """Songs of the holdout that no version in question was trained on, and how the others were left out."""

    songs: pd.DataFrame
    n_known: int
    damaged: tuple[str, ...]

    def __str__(self) -> str:
        """How a reason tells of them."""
        text = f"on {len(self.songs)} holdout songs new to it"
        if self.n_known:
            text += f" ({self.n_known} left out as known)"
        if self.damaged:
            more = f" and {len(self.damaged) - NAMED} more" if len(self.damaged) > NAMED else ""
            text += f" (clip missing or damaged: {', '.join(self.damaged[:NAMED])}{more})"
        return text


def new_songs(
    workspace: Workspace,
    params: Params,
    machine: Machine,
    trainings: Sequence[TrainingData],
    collections: Sequence[str],
) -> NewSongs:
    """The holdout songs of the snapshot that are in one of the collections and in none of the trainings.

    Raises:
        InputError: there is no snapshot.
    """
    songs = read_snapshot(workspace.snapshot).songs
    holdout = songs.iloc[split(songs, params.evaluation).holdout]
    holdout = holdout[holdout["clip_sha256"].notna() & (holdout["clip_sha256"] != "")]
    of_collections = holdout["collections"].map(
        lambda names: not set(collections).isdisjoint(names.split("|"))
    )
    holdout = holdout[of_collections.astype(bool)]
    known = np.zeros(len(holdout), bool)
    for training in trainings:
        known |= training.knows(holdout).to_numpy(bool)
    unknown = holdout[~known]
    whole = [find_flaw(machine.clip_store, sha256) is None for sha256 in unknown["clip_sha256"]]
    damaged = tuple(unknown["track_id"][~np.array(whole, bool)])
    return NewSongs(unknown[np.array(whole, bool)].reset_index(drop=True), int(known.sum()), damaged)
