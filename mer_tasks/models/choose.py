"""Which numbers a model reads, and how to build it, by its name."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import Pipeline

from mer_tasks.catalog.dataset import Snapshot
from mer_tasks.domain import InputError
from mer_tasks.features.table import Features, load_features
from mer_tasks.models import logistic_regression, neural_network, resnet18
from mer_tasks.models.embedding import embed_songs
from mer_tasks.settings import Machine, ModelName, Params


@dataclass(frozen=True)
class Inputs:
    """What a model learns from: `X` of shape (n, n_features), a row for each of `songs` in order.

    `kind` names the features that every score is reported with; `backbone` and `weights` are what
    made `X` of images, where something did.
    """

    kind: str
    names: tuple[str, ...]
    songs: pd.DataFrame
    X: np.ndarray
    backbone: torch.nn.Module | None = None
    weights: str | None = None


def model_inputs(
    name: ModelName, params: Params, snapshot: Snapshot, folder: Path, machine: Machine
) -> Inputs:
    """The rows of features that a model reads, for the songs of the snapshot that have them.

    Raises:
        InputError: no song has the features, or `train.tabular` asks for what some lack.
    """
    if name == "resnet18":
        return _embedded_images(params, snapshot, folder, machine)
    table = _tabular(params, snapshot, folder)
    if not np.isfinite(table.values).all():
        raise InputError(f"{folder}: {table.kind} features hold missing values; run mer features again")
    return Inputs(table.kind, table.names, _songs_of(table, snapshot), np.asarray(table.values, np.float64))


def build_model(name: ModelName, params: Params, n_features: int, device: str) -> Pipeline:
    """An unfitted classifier of rows of features, with the settings of `params`."""
    if name == "logistic_regression":
        return logistic_regression.build(params.logistic_regression, params.evaluation.seed)
    if name == "neural_network":
        return neural_network.build(params.neural_network, n_features, device)
    return resnet18.build(params.resnet18, device)


def _tabular(params: Params, snapshot: Snapshot, folder: Path) -> Features:
    """Spotify's eleven where every song has them, else the summary; or as `train.tabular` says."""
    spotify = load_features(folder, "spotify")
    have_all = len(spotify.track_ids) == len(snapshot.songs)
    if params.train.tabular == "spotify" and not have_all:
        raise InputError(
            f"train.tabular: spotify, but {len(snapshot.songs) - len(spotify.track_ids)} of"
            f" {len(snapshot.songs)} songs lack Spotify's eleven; set snapshot.needs: [spotify], or tabular: auto"
        )
    if params.train.tabular == "spotify" or (params.train.tabular == "auto" and have_all):
        return spotify
    return _not_empty(load_features(folder, "summary"))


def _embedded_images(params: Params, snapshot: Snapshot, folder: Path, machine: Machine) -> Inputs:
    images = _not_empty(load_features(folder, "image"))
    songs = _songs_of(images, snapshot)
    weights = machine.resnet18_weights or params.resnet18.weights
    backbone = resnet18.build_backbone(params.resnet18, weights, params.evaluation.seed)
    clips = songs["clip_sha256"].tolist()
    X = embed_songs(backbone, images, clips, machine.feature_store, params.features, machine.device)
    names = tuple(f"embedding_{i}" for i in range(X.shape[1]))
    source = weights if weights in ("imagenet", "none") else Path(weights).name
    return Inputs("image", names, songs, X, backbone, f"{source} ({resnet18.backbone_identity(backbone)})")


def _not_empty(table: Features) -> Features:
    if not table.track_ids:
        raise InputError(
            f"{table.kind} features: no song of the data set has a clip; import songs with path or url, or train"
            " only what Spotify's features suffice for (train.models and snapshot.needs in params.yaml)"
        )
    return table


def _songs_of(table: Features, snapshot: Snapshot) -> pd.DataFrame:
    """The songs in the order of the table's rows."""
    return snapshot.songs.set_index("track_id", drop=False).loc[list(table.track_ids)].reset_index(drop=True)
