"""From features to out-of-fold predictions: a model is trained on all folds but one and scored on that one."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mer_tasks.catalog.dataset import Snapshot
from mer_tasks.classifiers.groups import fit_with_groups
from mer_tasks.domain import MOODS, SAMPLE_COLLECTION, primary_artist
from mer_tasks.evaluation import plots
from mer_tasks.evaluation.calibration import confidence
from mer_tasks.evaluation.checkpoints import Checkpoints, Watch
from mer_tasks.evaluation.folds import Split, folds, split
from mer_tasks.evaluation.inputs import Inputs, model_inputs
from mer_tasks.evaluation.result import HOLDOUT, TRAINED, ModelResult, fold_folder, refit_folder, write_result
from mer_tasks.evaluation.scores import score_predictions
from mer_tasks.features.joined import Rows
from mer_tasks.models import build_model
from mer_tasks.networks.curve import Curve
from mer_tasks.persistence import save_fitted
from mer_tasks.progress import progress
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Pairs = list[tuple[np.ndarray, np.ndarray]]
"""Row numbers to train on and to test on, a pair a fold."""


@dataclass(frozen=True, eq=False)
class FittedFold:
    """A model trained on all folds but one: its row numbers there, its probabilities for them, its curve."""

    model: "Pipeline"
    rows: np.ndarray
    probabilities: np.ndarray
    curve: Curve

    def accuracy(self, y: np.ndarray) -> float:
        """The share of this fold's songs it gets right."""
        return float((self.probabilities.argmax(axis=1) == y[self.rows]).mean())


def train_model(
    workspace: Workspace, params: Params, machine: Machine, model: str, watch: Watch | None = None
) -> ModelResult:
    """Train one model of `params.models`; write its folds, predictions, scores and pictures.

    The training of a network goes on from the last epoch that one of the same model, data and code finished
    before it was killed; `watch` is told of the epochs of its folds.

    Raises:
        InputError: the snapshot or what the model reads is not there, or does not suffice.
    """
    snapshot, inputs = model_inputs(workspace, params, model, machine.feature_store)
    parts = split(inputs.songs, params.evaluation)
    pairs = [
        (parts.folds[train], parts.folds[test])
        for train, test in folds(inputs.songs.iloc[parts.folds], params.evaluation)
    ]
    y = inputs.songs["mood"].map(MOODS.index).to_numpy()
    checkpoints = Checkpoints(
        workspace.checkpoints(model), params.models[model], params.evaluation, machine.device, watch
    )
    fitted = fit_folds(inputs, y, pairs, params, model, machine.device, what=model, checkpoints=checkpoints)
    result = _result(model, params, snapshot, inputs, parts, fitted, y)
    whole = None
    if params.registration.fit == "all":
        whole = _fit_all(inputs, y, parts.folds, params, model, checkpoints)
        result = replace(result, refit=_refit_predictions(inputs, parts, whole))
    _write(result, fitted, whole, workspace)
    checkpoints.clear()
    return result


def fit_folds(
    inputs: Inputs,
    y: np.ndarray,
    pairs: Pairs,
    params: Params,
    model: str,
    device: str,
    what: str,
    checkpoints: Checkpoints | None = None,
) -> list[FittedFold]:
    """A model of `params.models` as `cross_validate` trains it, by the seed and protocol of `params.evaluation`."""
    settings, evaluation = params.models[model], params.evaluation
    return cross_validate(
        lambda fold: build_model(settings, inputs.shapes, evaluation.seed + fold, device),
        inputs.X,
        y,
        pairs,
        evaluation.seed,
        keep_best_epoch=evaluation.protocol == "paper",
        what=what,
        artists=inputs.songs["artist"].map(primary_artist).to_numpy(),
        checkpoints=checkpoints,
    )


def cross_validate(
    build: Callable[[int], "Pipeline"],
    X: Rows,
    y: np.ndarray,
    pairs: Pairs,
    seed: int,
    keep_best_epoch: bool,
    what: str,
    artists: np.ndarray | None = None,
    checkpoints: Checkpoints | None = None,
) -> list[FittedFold]:
    """Train a fresh model on each pair's first rows and let it predict the second.

    X has shape (n, …); y holds the mood's place in `MOODS`. Nothing is fitted or chosen on the rows that
    are scored, unless `keep_best_epoch`, the paper's protocol, asks for it. A model that sets songs apart within
    its training is given their `artists`. Without `what`, no progress is shown. With `checkpoints` the training of a
    network that was killed goes on.
    """
    fitted = []
    for fold, (train, test) in enumerate(progress(pairs, len(pairs) if what else 0, what, unit="fold")):
        model = build(fold)
        if _is_network(model):
            curve = _fit_network(model, X, y, train, test, seed, fold, keep_best_epoch, checkpoints)
        else:
            curve = []
            fit_with_groups(model, X[train], y[train], None if artists is None else artists[train])
        fitted.append(FittedFold(model, test, model.predict_proba(X[test]), curve))
    return fitted


def describe_songs(collections: tuple[str, ...]) -> str:
    """What the scores are scores on, in words: synthetic songs are never passed off as music."""
    if set(collections) == {SAMPLE_COLLECTION}:
        return "synthetic songs (the project's samples)"
    partly = ", partly synthetic" if SAMPLE_COLLECTION in collections else ""
    return f"songs of {', '.join(collections)}{partly}"


def _is_network(model: "Pipeline") -> bool:
    """Whether a pipeline is trained by epochs; only such a one needs torch."""
    return hasattr(model[-1], "initialize")


def _fit_network(
    model: "Pipeline",
    X: Rows,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    seed: int,
    fold: int,
    keep_best_epoch: bool,
    checkpoints: Checkpoints | None,
) -> Curve:
    """Train a network and return its learning curve over both sides."""
    from mer_tasks.networks import torch_classifier

    data = X[train], y[train], X[test], y[test]
    torch_classifier.set_validation_data(model, *data, keep_best_epoch)
    _fit_by_epochs(model, seed + fold, data, checkpoints, fold)
    torch_classifier.clear_validation_data(model)
    return torch_classifier.learning_curve(model)


def _fit_by_epochs(
    model: "Pipeline",
    seed: int,
    data: tuple[np.ndarray, ...],
    checkpoints: Checkpoints | None,
    fold: int | None = None,
) -> None:
    """Fit a network to the first two of `data`; where it was killed with all the same, it goes on.

    The epochs of a `fold` are told to whoever watches.
    """
    import torch

    from mer_tasks.networks.threads import one_thread
    from mer_tasks.networks.torch_classifier import set_checkpoint

    torch.manual_seed(seed)
    if checkpoints:
        path = checkpoints.path(seed, *data)
        watch = None
        if checkpoints.watch and fold is not None:
            watch = partial(checkpoints.watch, path.stem, fold)
        set_checkpoint(model, path, watch)
    with one_thread():
        model.fit(*data[:2])


def _fit_all(
    inputs: Inputs, y: np.ndarray, rows: np.ndarray, params: Params, model: str, checkpoints: Checkpoints
) -> "Pipeline":
    """A model trained on all these rows; nothing is left to score, so a network is trained for all its epochs."""
    seed = params.evaluation.seed
    whole = build_model(params.models[model], inputs.shapes, seed, checkpoints.device)
    if _is_network(whole):
        _fit_by_epochs(whole, seed, (inputs.X[rows], y[rows]), checkpoints)
    else:
        artists = inputs.songs["artist"].map(primary_artist).to_numpy()
        fit_with_groups(whole, inputs.X[rows], y[rows], artists[rows])
    return whole


def _refit_predictions(inputs: Inputs, parts: Split, model: "Pipeline") -> pd.DataFrame:
    """The predictions of a model that was trained on all folds' songs, of those and of the holdout's."""
    splits = ((TRAINED, parts.folds), (HOLDOUT, parts.holdout))
    tables = [
        prediction_table(inputs.songs, rows, model.predict_proba(inputs.X[rows]), name)
        for name, rows in splits
        if len(rows)
    ]
    return pd.concat(tables).sort_values("track_id", ignore_index=True)


def _result(
    model: str,
    params: Params,
    snapshot: Snapshot,
    inputs: Inputs,
    parts: Split,
    fitted: list[FittedFold],
    y: np.ndarray,
) -> ModelResult:
    accuracies = tuple(fold.accuracy(y) for fold in fitted)
    best = int(np.argmax(accuracies))
    predictions = _predictions(inputs, parts, fitted, best)
    in_holdout = predictions["split"] == HOLDOUT
    return ModelResult(
        model=model,
        system=params.models[model].system,
        systems=params.models[model].systems,
        reads=inputs.reads,
        feature_names=inputs.names,
        shapes=inputs.shapes,
        songs=describe_songs(params.snapshot.collections),
        collections=params.snapshot.collections,
        protocol=params.evaluation.protocol,
        data=snapshot.identity,
        params=_trained_by(params, model),
        scores=score_predictions(predictions[~in_holdout], params.evaluation),
        holdout=score_predictions(predictions[in_holdout], params.evaluation) if in_holdout.any() else None,
        fold_accuracies=accuracies,
        best_fold=best,
        curves=tuple(fold.curve for fold in fitted),
        predictions=predictions,
    )


def _trained_by(params: Params, model: str) -> dict[str, Any]:
    """The settings that a training depends on; of which day its songs are is no such one."""
    sections = {"clips", "evaluation", "features", "models", "representations"}
    values = params.model_dump(mode="json", include=sections)
    return values | {"models": {model: values["models"][model]}}


def _predictions(inputs: Inputs, parts: Split, fitted: list[FittedFold], best: int) -> pd.DataFrame:
    """One row a song: its mood, its split, the predicted mood and the four probabilities."""
    tables = fold_tables(inputs.songs, fitted)
    if len(parts.holdout):
        probabilities = fitted[best].model.predict_proba(inputs.X[parts.holdout])
        tables.append(prediction_table(inputs.songs, parts.holdout, probabilities, HOLDOUT))
    return pd.concat(tables).sort_values("track_id", ignore_index=True)


def fold_tables(songs: pd.DataFrame, fitted: list[FittedFold]) -> list[pd.DataFrame]:
    """Each fold's predictions of the songs that it left out."""
    return [
        prediction_table(songs, fold.rows, fold.probabilities, f"fold-{number}")
        for number, fold in enumerate(fitted)
    ]


def prediction_table(
    songs: pd.DataFrame, rows: np.ndarray, probabilities: np.ndarray, split_name: str
) -> pd.DataFrame:
    """A row a song of these row numbers, as `ModelResult.predictions` has it."""
    table = songs.iloc[rows][["track_id", "title", "artist", "mood"]].reset_index(drop=True)
    table["split"] = split_name
    table["predicted"] = np.array(MOODS)[probabilities.argmax(axis=1)]
    table[list(MOODS)] = probabilities
    return table


def _write(
    result: ModelResult, fitted: list[FittedFold], whole: "Pipeline | None", workspace: Workspace
) -> None:
    for folder in (workspace.model(result.model), workspace.plots(result.model)):  # of an earlier training
        shutil.rmtree(folder, ignore_errors=True)
    for number, fold in enumerate(fitted):
        save_fitted(fold.model, fold_folder(workspace, result.model, number))
    if whole is not None:
        save_fitted(whole, refit_folder(workspace, result.model))
    write_result(result, workspace)
    folder, seen = workspace.plots(result.model), result.out_of_fold
    title = f"{result.model} on {result.read_together}, out of fold\n{result.scores.n} {result.songs}"
    plots.confusion_matrix(folder / "confusion.png", seen["mood"], seen["predicted"], title)
    plots.mood_plane(folder / "plane.png", seen, title)
    correct = (seen["mood"] == seen["predicted"]).to_numpy()
    plots.calibration(folder / "calibration.png", correct, confidence(seen[list(MOODS)].to_numpy()), title)
    if result.curves[0]:
        plots.learning_curves(folder / "curves.png", result.curves, title)
