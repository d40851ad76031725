"""What a version was trained on: it travels with the version, so that no other is compared on songs it knows."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from mer_tasks.catalog.dataset import Snapshot
from mer_tasks.domain import SAMPLE_COLLECTION, primary_artist
from mer_tasks.errors import InputError
from mer_tasks.evaluation.result import ModelResult
from mer_tasks.files import write_text
from mer_tasks.registry.process import TRAINING

Origin = Literal["real", "synthetic", "mixed"]


@dataclass(frozen=True)
class TrainingData:
    """The songs of all folds: the fold that was chosen by its score knows those that it left out as well.

    `artists` as `primary_artist` names them; `recordings` the SHA-256 of clips; `origin` whether the songs are
    music, the project's synthetic samples, or both.
    """

    artists: tuple[str, ...]
    recordings: tuple[str, ...]
    track_ids: tuple[str, ...]
    collections: tuple[str, ...]
    origin: Origin

    def knows(self, songs: pd.DataFrame) -> pd.Series:
        """For each of a snapshot's songs, whether its artist or its recording is among the training's."""
        return (
            songs["artist"].map(primary_artist).isin(self.artists)
            | songs["clip_sha256"].isin(self.recordings)
            | songs["track_id"].isin(self.track_ids)
        )


def training_data(result: ModelResult, snapshot: Snapshot) -> TrainingData:
    """What a model was trained on.

    Raises:
        InputError: the snapshot is not the one that it was trained on.
    """
    if snapshot.identity != result.data:
        raise InputError(
            f"{result.model}: was trained on another data set than data/snapshot holds; train it again with dvc repro"
        )
    songs = snapshot.songs[snapshot.songs["track_id"].isin(result.out_of_fold["track_id"])]
    return TrainingData(
        artists=_sorted(songs["artist"].map(primary_artist)),
        recordings=_sorted(songs["clip_sha256"].dropna()),
        track_ids=_sorted(songs["track_id"]),
        collections=tuple(sorted(result.collections)),
        origin=_origin(result.collections),
    )


def write_training_data(data: TrainingData, version: Path) -> None:
    """Write it into a version's folder."""
    write_text(version / TRAINING, json.dumps(asdict(data), indent=1) + "\n")


def read_training_data(version: Path) -> TrainingData:
    """Read it from a version's folder.

    Raises:
        InputError: it is not there or damaged.
    """
    try:
        values: dict[str, Any] = json.loads((version / TRAINING).read_text(encoding="utf-8"))
        return TrainingData(
            artists=tuple(values["artists"]),
            recordings=tuple(values["recordings"]),
            track_ids=tuple(values["track_ids"]),
            collections=tuple(values["collections"]),
            origin=values["origin"],
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{version / TRAINING}: cannot be read, so nobody knows what the version was trained on; delete the version in MLflow, then run mer register"
        ) from error


def _origin(collections: Sequence[str]) -> Origin:
    if SAMPLE_COLLECTION not in collections:
        return "real"
    return "synthetic" if set(collections) == {SAMPLE_COLLECTION} else "mixed"


def _sorted(values: pd.Series) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in values}))
