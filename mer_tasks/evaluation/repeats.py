"""Trainings that are only measured: a model's predictions out of fold for a protocol, a seed and a part of the songs.

Each is kept in `data/repeats` and computed once. No fitted model is kept, so that none can be registered.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import StratifiedGroupKFold

from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.code_identity import PACKAGE, code_identity
from mer_tasks.domain import MOODS, primary_artist
from mer_tasks.errors import InputError
from mer_tasks.evaluation.folds import folds, split
from mer_tasks.evaluation.inputs import Inputs, model_inputs
from mer_tasks.evaluation.training import describe_songs, fit_folds, fold_tables
from mer_tasks.features.identity import representation_identity
from mer_tasks.features.row import end_with
from mer_tasks.files import write_text
from mer_tasks.progress import progress
from mer_tasks.settings import EvaluationSettings, Machine, Params, Protocol
from mer_tasks.workspace import Workspace

FOLDS: dict[Protocol, int] = {"paper": 5, "ungrouped": 10}
"""Of protocols that are measured for comparison: the paper's folds, and those of 4Q's published figures."""

SMALLEST = 8
"""The smallest part of a training part is one in so many of its artists."""

ONLY_SHOWS = frozenset({f"{PACKAGE}.evaluation.plots", f"{PACKAGE}.features.row"})
"""Modules on which no prediction depends: pictures, and how processes end."""


@dataclass(frozen=True)
class Repeat:
    """One training: by which protocol and seed, on one in how many of each training part's artists.

    `every_song` takes the holdout's songs as well.
    """

    model: str
    protocol: Protocol
    seed: int
    one_in: int = 1
    every_song: bool = False

    def evaluation(self, evaluation: EvaluationSettings) -> EvaluationSettings:
        """The settings with this protocol, its folds, and this seed."""
        n_folds = FOLDS.get(self.protocol, evaluation.folds)
        return evaluation.model_copy(update={"protocol": self.protocol, "folds": n_folds, "seed": self.seed})

    def file(self, workspace: Workspace) -> Path:
        """Where its result is kept."""
        songs = "every-song" if self.every_song else "folds"
        return workspace.repeats / self.model / f"{self.protocol}-{songs}-{self.seed}-1in{self.one_in}.json"


@dataclass(frozen=True, eq=False)
class Repeated:
    """What came of one: `predictions` as `ModelResult` has them, and the mean number of songs trained on."""

    repeat: Repeat
    n_train: float
    predictions: pd.DataFrame


def run_repeats(
    workspace: Workspace, params: Params, machine: Machine, repeats: Sequence[Repeat]
) -> list[Repeated]:
    """Train what is not there yet, over the cores, each kept as soon as it is done; return all in their order.

    Raises:
        InputError: the data set or what a model reads is not there, or does not suffice.
    """
    for model in {one.model for one in repeats}:
        model_inputs(workspace, params, model, machine.feature_store)
    identities = _identities(workspace, params, repeats)
    pending = [one for one in repeats if _read(workspace, one, identities[one]) is None]
    with parallel_config("loky", initializer=end_with, initargs=(os.getpid(),)):
        parallel = Parallel(n_jobs=min(machine.n_workers, len(pending) or 1), return_as="generator_unordered")
        done = parallel(delayed(_train)(workspace, params, machine, one, identities[one]) for one in pending)
        for _ in progress(done, len(pending), "repeats", unit="training"):
            pass
    found = [_read(workspace, one, identities[one]) for one in repeats]
    return [one for one in found if one is not None]


def seeds_of(evaluation: EvaluationSettings, n_seeds: int) -> list[int]:
    """So many seeds, the first of which is `evaluation.seed`."""
    return [evaluation.seed + place for place in range(n_seeds)]


def described(params: Params, seeds: Sequence[int], every_song: bool) -> dict[str, Any]:
    """What every measurement by repeats begins with: which songs, and which seeds."""
    songs = describe_songs(params.snapshot.collections)
    return {"songs": songs, "every_song": every_song, "seeds": list(seeds)}


def write_measured(workspace: Workspace, name: str, result: Mapping[str, Any], table: str) -> None:
    """Write a measurement by repeats as `NAME.json` and `NAME.md`."""
    write_text(workspace.repeats / f"{name}.json", json.dumps(result, indent=1) + "\n")
    write_text(workspace.repeats / f"{name}.md", table + "\n")


def _train(workspace: Workspace, params: Params, machine: Machine, repeat: Repeat, identity: str) -> None:
    _, inputs = model_inputs(workspace, params, repeat.model, machine.feature_store)
    evaluation = repeat.evaluation(params.evaluation)
    rows = np.arange(len(inputs.songs)) if repeat.every_song else split(inputs.songs, evaluation).folds
    pairs = [
        (_some(inputs, rows[train], repeat), rows[test])
        for train, test in folds(inputs.songs.iloc[rows], evaluation)
    ]
    y = inputs.songs["mood"].map(MOODS.index).to_numpy()
    by = params.model_copy(update={"evaluation": evaluation})
    fitted = fit_folds(inputs, y, pairs, by, repeat.model, machine.device, what="")
    table = pd.concat(fold_tables(inputs.songs, fitted)).sort_values("track_id", ignore_index=True).round(6)
    n_train = float(np.mean([len(train) for train, _ in pairs]))
    content = {"identity": identity, "n_train": n_train, "predictions": table.to_dict("list")}
    write_text(repeat.file(workspace), json.dumps(content) + "\n")


def _some(inputs: Inputs, train: np.ndarray, repeat: Repeat) -> np.ndarray:
    """One in so many of the artists of a training part, stratified by mood; fewer are always among more."""
    if repeat.one_in == 1:
        return train
    songs = inputs.songs.iloc[train]
    artists = songs["artist"].map(primary_artist).to_numpy()
    fewest = min(len(np.unique(artists[songs["mood"] == mood])) for mood in MOODS)
    if fewest < SMALLEST:
        raise InputError(
            f"a training part has songs by {fewest} artists of a mood; an eighth needs {SMALLEST}: import"
            " more songs"
        )
    parts = StratifiedGroupKFold(SMALLEST, shuffle=True, random_state=repeat.seed)
    eighths = [part for _, part in parts.split(train, songs["mood"], artists)]
    return np.sort(train[np.concatenate(eighths[: SMALLEST // repeat.one_in])])


def _identities(workspace: Workspace, params: Params, repeats: Sequence[Repeat]) -> dict[Repeat, str]:
    """A hash of all that each result depends on: data, settings and code."""
    data = read_snapshot(workspace.snapshot).identity
    of_model = {}
    for model in {one.model for one in repeats}:
        settings = params.models[model]
        reads = [representation_identity(workspace.representation(name)) for name in settings.reads]
        systems = [f"{PACKAGE}.models.{system}" for system in settings.systems]
        code = code_identity(__name__, *systems, without=ONLY_SHOWS)
        of_model[model] = [data, reads, code, settings.model_dump(mode="json")]
    return {one: _identity(one, params.evaluation, of_model[one.model]) for one in repeats}


def _identity(repeat: Repeat, evaluation: EvaluationSettings, of_model: list[Any]) -> str:
    scored = repeat.evaluation(evaluation).model_dump(mode="json", exclude={"bootstrap"})
    parts = json.dumps([of_model, asdict(repeat), scored], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()


def _read(workspace: Workspace, repeat: Repeat, identity: str) -> Repeated | None:
    """A kept result; None where there is none, or it is of other data, settings or code, or damaged."""
    try:
        content = json.loads(repeat.file(workspace).read_text(encoding="utf-8"))
        if content["identity"] != identity:
            return None
        return Repeated(repeat, content["n_train"], pd.DataFrame(content["predictions"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
