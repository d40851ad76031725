"""What training a model came to: the one type that comparison, registry, gate and pages read."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mer_tasks.domain import MOODS
from mer_tasks.errors import InputError
from mer_tasks.evaluation.scores import Scores
from mer_tasks.files import replacing, sha256_of, write_text
from mer_tasks.models import Shapes
from mer_tasks.networks.curve import Curve
from mer_tasks.workspace import Workspace

HOLDOUT = "holdout"
"""The split of songs that no fold trains on or is scored on."""

TRAINED = "trained"
"""The split of songs that the model of all folds' songs was trained on."""

PREDICTION_COLUMNS = {
    **dict.fromkeys(("track_id", "title", "artist", "mood", "split", "predicted"), "str"),
    **dict.fromkeys(MOODS, "float64"),
}


@dataclass(frozen=True, eq=False)
class ModelResult:
    """A model trained fold by fold.

    `systems` are those whose code it runs; `reads` names the representations whose rows, of `shapes`, it was trained on, their columns or rows called
    `feature_names`; `songs` describes in words what the scores are scores on; `data` is the snapshot's identity.
    `predictions` has a row a song: `track_id`, `title`, `artist`, `mood`, `split` (`fold-0` …, the fold
    whose model was not trained on it, or `holdout`), `predicted`, and a probability a mood; the holdout's
    are the best fold's. `curves` has one a fold, empty where nothing is trained by epochs. `refit` has the same
    columns: the predictions of the model that is trained on all songs outside the holdout, if there is one; a
    song's split is `trained` or `holdout`.
    """

    model: str
    system: str
    systems: tuple[str, ...]
    reads: tuple[str, ...]
    feature_names: tuple[str, ...]
    shapes: Shapes
    songs: str
    collections: tuple[str, ...]
    protocol: str
    data: str
    params: Mapping[str, Any]
    scores: Scores
    holdout: Scores | None
    fold_accuracies: tuple[float, ...]
    best_fold: int
    curves: tuple[Curve, ...]
    predictions: pd.DataFrame
    refit: pd.DataFrame | None = None

    @property
    def read_together(self) -> str:
        """What it reads, as a table shows it."""
        return " + ".join(self.reads)

    @property
    def out_of_fold(self) -> pd.DataFrame:
        """The predictions of songs by the fold that was not trained on them."""
        return self.predictions[self.predictions["split"] != HOLDOUT]


def fold_folder(workspace: Workspace, model: str, fold: int) -> Path:
    """Where the fitted model of a fold lies."""
    return workspace.model(model) / f"fold-{fold}"


def registered_folder(workspace: Workspace, result: ModelResult) -> Path:
    """Where the fitted model lies that is to be registered: the best fold's, or that of all folds' songs."""
    if result.refit is not None:
        return refit_folder(workspace, result.model)
    return fold_folder(workspace, result.model, result.best_fold)


def refit_folder(workspace: Workspace, model: str) -> Path:
    """Where the model lies that was trained on all songs outside the holdout."""
    return workspace.model(model) / "all"


def write_result(result: ModelResult, workspace: Workspace) -> None:
    """Write a result as DVC tracks it: predictions as CSV, scores and what was trained as JSON."""
    _write_predictions(workspace.predictions(result.model), result.predictions)
    if result.refit is not None:
        _write_predictions(_refit_file(workspace, result.model), result.refit)
    _write_json(workspace.model(result.model) / "result.json", _description(result))
    _write_json(workspace.metrics(result.model), _metrics(result))


def read_result(workspace: Workspace, model: str) -> ModelResult:
    """What `write_result` wrote of a model.

    Raises:
        InputError: the model is not trained, or a file is damaged; names it and the remedy.
    """
    remedy = _remedy(model)
    description = read_json(workspace.model(model) / "result.json", remedy)
    metrics = read_json(workspace.metrics(model), remedy)
    try:
        result = ModelResult(
            model=model,
            system=description["system"],
            systems=tuple(description["systems"]),
            reads=tuple(metrics["reads"]),
            feature_names=tuple(description["feature_names"]),
            shapes=tuple(tuple(shape) for shape in description["shapes"]),
            songs=metrics["songs"],
            collections=tuple(description["collections"]),
            protocol=metrics["protocol"],
            data=metrics["data"],
            params=description["params"],
            scores=Scores.from_json(metrics),
            holdout=Scores.from_json(metrics["holdout"]) if "holdout" in metrics else None,
            fold_accuracies=tuple(metrics["folds"]),
            best_fold=metrics["best_fold"],
            curves=tuple(description["curves"]),
            predictions=_read_predictions(workspace.predictions(model), remedy),
            refit=_read_predictions(_refit_file(workspace, model), remedy)
            if description["fit"] == "all"
            else None,
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{workspace.model(model)}: of another version of mer; {remedy} again") from error
    if len(result.predictions) != result.scores.n + (result.holdout.n if result.holdout else 0):
        raise InputError(
            f"{workspace.predictions(model)}: not the songs of {workspace.metrics(model)}; {remedy} again"
        )
    return result


def result_identity(workspace: Workspace, model: str) -> str:
    """A hash of a training: the same settings, data, scores and predictions have the same.

    Raises:
        InputError: the model is not trained.
    """
    files: tuple[Path, ...] = (
        workspace.model(model) / "result.json",
        workspace.metrics(model),
        workspace.predictions(model),
    )
    refit = _refit_file(workspace, model)
    files += (refit,) if refit.is_file() else ()
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: no such file; {_remedy(model)} first")
    return hashlib.sha256("".join(sha256_of(file) for file in files).encode()).hexdigest()


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: it is not there or damaged; the message ends with the remedy.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {remedy} first") from error
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}); {remedy} again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: damaged (not an object); {remedy} again")
    return content


def _remedy(model: str) -> str:
    """What a person does where a model's files are missing or damaged."""
    return f"run mer train {model}, or dvc repro,"


def _description(result: ModelResult) -> dict[str, Any]:
    """What is no score: what was trained, by what, on what."""
    return {
        "model": result.model,
        "system": result.system,
        "systems": list(result.systems),
        "shapes": [list(shape) for shape in result.shapes],
        "feature_names": list(result.feature_names),
        "collections": list(result.collections),
        "params": dict(result.params),
        "curves": list(result.curves),
        "fit": "best_fold" if result.refit is None else "all",
    }


def _metrics(result: ModelResult) -> dict[str, Any]:
    """What `dvc metrics` shows."""
    metrics = {
        "model": result.model,
        "songs": result.songs,
        "reads": list(result.reads),
        **result.scores.as_json(),
        "protocol": result.protocol,
        "folds": [round(accuracy, 4) for accuracy in result.fold_accuracies],
        "best_fold": result.best_fold,
        "data": result.data,
    }
    return metrics | ({"holdout": result.holdout.as_json()} if result.holdout else {})


def _refit_file(workspace: Workspace, model: str) -> Path:
    return workspace.model(model) / "refit.csv"


def _write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        predictions.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")


def _read_predictions(path: Path, remedy: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path, dtype=PREDICTION_COLUMNS, keep_default_na=False, float_precision="round_trip"
        )
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {remedy} first") from error
    except ValueError as error:  # pandas' own errors are among these
        raise InputError(f"{path}: damaged ({' '.join(str(error).split())}); {remedy} again") from error
    if list(table.columns) != list(PREDICTION_COLUMNS) or table.isna().any(axis=None):
        raise InputError(f"{path}: damaged (not a column each of a prediction); {remedy} again")
    return table
