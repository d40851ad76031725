"""From features to out-of-fold predictions: fit a model on each fold, score it on the songs it has not seen."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import Pipeline

from mer_tasks import layout
from mer_tasks.catalog.dataset import Snapshot, read_snapshot
from mer_tasks.domain import MOODS, SAMPLE_COLLECTION, normalised
from mer_tasks.evaluation import plots
from mer_tasks.evaluation.folds import Split, folds, split
from mer_tasks.evaluation.scores import Scores, score
from mer_tasks.files import replacing, write_text
from mer_tasks.models.choose import Inputs, build_model, model_inputs
from mer_tasks.models.torch_classifier import forget_watched, learning_curve, one_thread, watch
from mer_tasks.progress import progress
from mer_tasks.settings import Machine, ModelName, Params


@dataclass(frozen=True)
class FittedFold:
    """A model fitted on all folds but one: its row numbers there, what it answers for them, its curve."""

    model: Pipeline
    rows: np.ndarray
    probabilities: np.ndarray
    curve: list[dict[str, float]]

    def accuracy(self, y: np.ndarray) -> float:
        """The share of this fold's songs it gets right."""
        return float((self.probabilities.argmax(axis=1) == y[self.rows]).mean())


def cross_validate(
    build: Callable[[], Pipeline],
    X: np.ndarray,
    y: np.ndarray,
    pairs: list[tuple[np.ndarray, np.ndarray]],
    seed: int,
    keep_best_epoch: bool,
    what: str,
) -> list[FittedFold]:
    """Fit a fresh model on each pair's first rows and let it answer for the second.

    X has shape (n, n_features); y holds the mood's place in `MOODS`. Nothing is fitted or chosen on
    the rows that are scored, unless `keep_best_epoch`, the paper's protocol, asks for it.
    """
    fitted = []
    for number, (learn, held_out) in enumerate(progress(pairs, len(pairs), what, unit="fold")):
        torch.manual_seed(seed + number)
        model = build()
        watch(model, X[learn], y[learn], X[held_out], y[held_out], keep_best_epoch)
        with one_thread():
            model.fit(X[learn], y[learn])
        forget_watched(model)
        fitted.append(FittedFold(model, held_out, model.predict_proba(X[held_out]), learning_curve(model)))
    return fitted


def train_model(name: ModelName, params: Params, machine: Machine) -> dict[str, Any]:
    """Train one model by `params` in the current folder; write its folds, predictions, metrics and plots.

    Raises:
        InputError: the snapshot or the features are not there, or do not suit the model.
    """
    snapshot = read_snapshot(layout.SNAPSHOT)
    inputs = model_inputs(name, params, snapshot, layout.FEATURES, machine)
    evaluation = params.evaluation
    parts = split(inputs.songs, evaluation)
    pairs = [
        (parts.folds[learn], parts.folds[held_out])
        for learn, held_out in folds(inputs.songs.iloc[parts.folds], evaluation)
    ]
    y = inputs.songs["mood"].map(MOODS.index).to_numpy()
    fitted = cross_validate(
        lambda: build_model(name, params, inputs.X.shape[1], machine.device),
        inputs.X,
        y,
        pairs,
        evaluation.seed,
        keep_best_epoch=evaluation.protocol == "paper",
        what=name,
    )
    accuracies = [fold.accuracy(y) for fold in fitted]
    best = int(np.argmax(accuracies))
    predictions = _predictions(inputs, parts, fitted, best)
    metrics = _metrics(name, params, snapshot, inputs, predictions, accuracies, best)
    _write_model(name, params, inputs, fitted, metrics)
    _write_predictions(name, predictions)
    _write_plots(name, metrics, predictions, fitted)
    write_text(layout.METRICS / f"{name}.json", json.dumps(metrics, indent=2) + "\n")
    return metrics


def _predictions(inputs: Inputs, parts: Split, fitted: list[FittedFold], best: int) -> pd.DataFrame:
    """One row a song: its mood, the part it was scored in, the answer and the four probabilities."""
    tables = [
        _answers(inputs.songs, fold.rows, fold.probabilities, f"fold-{k}") for k, fold in enumerate(fitted)
    ]
    if len(parts.holdout):
        answered = fitted[best].model.predict_proba(inputs.X[parts.holdout])
        tables.append(_answers(inputs.songs, parts.holdout, answered, "holdout"))
    return pd.concat(tables).sort_values("track_id", ignore_index=True)


def _answers(songs: pd.DataFrame, rows: np.ndarray, probabilities: np.ndarray, part: str) -> pd.DataFrame:
    table = songs.iloc[rows][["track_id", "title", "artist", "mood"]].reset_index(drop=True)
    table["part"] = part
    table["predicted"] = np.array(MOODS)[probabilities.argmax(axis=1)]
    table[list(MOODS)] = probabilities
    return table


def score_predictions(predictions: pd.DataFrame, params: Params) -> Scores:
    """Scores of a table with the columns `mood`, `predicted` and `artist`."""
    return score(
        predictions["mood"].to_numpy(),
        predictions["predicted"].to_numpy(),
        predictions["artist"].map(normalised).to_numpy(),
        params.evaluation.bootstrap,
        params.evaluation.seed,
    )


def _metrics(
    name: str,
    params: Params,
    snapshot: Snapshot,
    inputs: Inputs,
    predictions: pd.DataFrame,
    accuracies: list[float],
    best: int,
) -> dict[str, Any]:
    in_holdout = predictions["part"] == "holdout"
    metrics: dict[str, Any] = {
        "model": name,
        "songs": describe_songs(params),
        "features": inputs.kind,
        **score_predictions(predictions[~in_holdout], params).as_json(),
        "protocol": params.evaluation.protocol,
        "folds": [round(accuracy, 4) for accuracy in accuracies],
        "best_fold": best,
        "data": snapshot.identity,
    }
    if in_holdout.any():
        metrics["holdout"] = score_predictions(predictions[in_holdout], params).as_json()
    if inputs.weights:
        metrics["weights"] = inputs.weights
    return metrics


def describe_songs(params: Params) -> str:
    """What the scores are scores on, in words: synthetic songs are never passed off as music."""
    collections = params.snapshot.collections
    if set(collections) == {SAMPLE_COLLECTION}:
        return "synthetic songs (the project's samples)"
    partly = ", partly synthetic" if SAMPLE_COLLECTION in collections else ""
    return f"songs of {', '.join(collections)}{partly}"


def _write_model(
    name: str, params: Params, inputs: Inputs, fitted: list[FittedFold], metrics: dict[str, Any]
) -> None:
    folder = layout.MODELS / name
    for number, fold in enumerate(fitted):
        with replacing(folder / f"fold-{number}.joblib") as temporary:
            joblib.dump(fold.model, temporary)
    if inputs.backbone is not None:
        with replacing(folder / "backbone.pt") as temporary:
            torch.save(inputs.backbone.cpu().state_dict(), temporary)
    curves = [fold.curve for fold in fitted]
    write_text(folder / "curves.json", json.dumps(curves, indent=1) + "\n")
    card = {
        "model": name,
        "features": inputs.kind,
        "feature_names": list(inputs.names),
        "best_fold": metrics["best_fold"],
        "params": params.model_dump(mode="json", exclude={"quality", "registration", "promotion"}),
    }
    write_text(folder / "model.json", json.dumps(card, indent=2) + "\n")


def _write_predictions(name: str, predictions: pd.DataFrame) -> None:
    with replacing(layout.PREDICTIONS / f"{name}.csv") as temporary:
        predictions.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")


def _write_plots(
    name: str, metrics: dict[str, Any], predictions: pd.DataFrame, fitted: list[FittedFold]
) -> None:
    folder = layout.PLOTS / name
    seen = predictions[predictions["part"] != "holdout"]
    title = f"{name} on {metrics['features']} features, out of fold\n{metrics['n']} {metrics['songs']}"
    plots.confusion_matrix(folder / "confusion.png", seen["mood"], seen["predicted"], title)
    plots.mood_plane(folder / "plane.png", seen, title)
    if fitted[0].curve:
        plots.learning_curves(folder / "curves.png", [fold.curve for fold in fitted], title)
