"""Drift of the data set's new songs against what the champion was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow.artifacts
import numpy as np
import pandas as pd

from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.domain import primary_artist
from mer_tasks.errors import InputError
from mer_tasks.evaluation.folds import split
from mer_tasks.evaluation.result import HOLDOUT
from mer_tasks.features.dataset import load_features
from mer_tasks.files import temporary_folder
from mer_tasks.progress import progress
from mer_tasks.quality.drift import Drift, compare
from mer_tasks.registry.connection import connected
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.registry.training_data import read_training_data
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace, clip_key

TABLE, PREFIX = "summary", "proxy_"
"""The representation whose columns are compared, and how the names of those begin that a person can read."""

MOST_PREDICTED = 300
"""So many new songs are given to the champion; each costs up to a second."""


@dataclass(frozen=True)
class DriftReport:
    """What was compared with which version's training: songs of how many artists before and now."""

    champion: str
    n_before: int
    n_now: int
    columns: tuple[Drift, ...]

    @property
    def drifted(self) -> tuple[Drift, ...]:
        """The columns that have drifted."""
        return tuple(one for one in self.columns if one.has_drifted)


def check_drift(workspace: Workspace, params: Params, machine: Machine) -> DriftReport:
    """Compare the songs that the champion was not trained on with those that it was, one song an artist.

    The holdout, which is new to every version, counts with neither.

    Raises:
        InputError: there is no champion or no snapshot, or features are missing.
        UnavailableError: MLflow cannot be reached now, or the champion's process died.
    """
    songs = read_snapshot(workspace.snapshot).songs
    is_holdout = np.zeros(len(songs), bool)
    is_holdout[split(songs, params.evaluation).holdout] = True
    uri = f"models:/{params.registration.model_name}@champion"
    with RegisteredModel(machine, uri) as champion:
        is_known = read_training_data(champion.folder).knows(songs).to_numpy(bool)
        before = _one_an_artist(songs[is_known])
        now = _one_an_artist(songs[~is_known & ~is_holdout])
        enough = len(now) >= params.quality.drift_min_songs
        moods = _moods(champion, now.head(MOST_PREDICTED), machine) if enough else []
        moods_before = _moods_in_training(champion, machine) if enough else []
        table = _table(workspace, params)
        columns = compare(_rows(table, before), _rows(table, now), moods_before, moods, params.quality)
        return DriftReport(str(champion.version), len(before), len(now), tuple(columns))


def _one_an_artist(songs: pd.DataFrame) -> pd.DataFrame:
    """The first song of each artist, in the order of ids: an album is no drift."""
    return songs[~songs["artist"].map(primary_artist).duplicated()]


def _table(workspace: Workspace, params: Params) -> pd.DataFrame:
    """The columns to compare by track_id; none where the data set has no such representation."""
    if TABLE not in params.representations:
        return pd.DataFrame()
    features = load_features(workspace.representation(TABLE))
    table = pd.DataFrame(
        np.asarray(features.values), index=list(features.track_ids), columns=list(features.names)
    )
    return table[[name for name in features.names if name.startswith(PREFIX)]]


def _rows(table: pd.DataFrame, songs: pd.DataFrame) -> pd.DataFrame:
    return table[table.index.isin(songs["track_id"])]


def _moods(champion: RegisteredModel, songs: pd.DataFrame, machine: Machine) -> list[str]:
    """The champion's moods for songs; one whose clip it cannot use has none."""
    moods = []
    clips = songs["clip_sha256"].dropna()
    for sha256 in progress(clips, len(clips), f"{champion.version} on new songs"):
        try:
            moods.append(champion.predict(machine.clip_store.local(clip_key(sha256))).mood)
        except InputError:
            continue
    return moods


def _moods_in_training(champion: RegisteredModel, machine: Machine) -> Sequence[str]:
    """The moods that the champion's training predicted for songs left out of a fold, one an artist."""
    model = champion.description["model"]
    with connected(machine) as client, temporary_folder() as folder:
        run_id = client.get_model_version(champion.version.name, champion.version.number).run_id
        file = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path=f"training/{model}.csv", dst_path=str(folder)
        )
        predictions = pd.read_csv(Path(file), dtype=str, keep_default_na=False)
    return list(_one_an_artist(predictions[predictions["split"] != HOLDOUT])["predicted"])
