"""What a score is seen beside: the commonest mood, shuffled moods, and whether two numbers already give the moods."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from mer_tasks.domain import ANNOTATIONS, MOODS
from mer_tasks.errors import InputError
from mer_tasks.evaluation.inputs import model_inputs
from mer_tasks.evaluation.scores import score_predictions
from mer_tasks.evaluation.training import fit_folds
from mer_tasks.settings import EvaluationSettings, Machine, Params, TorchSettings
from mer_tasks.workspace import Workspace

PROBED = (("valence", "energy"), (ANNOTATIONS["valence"], ANNOTATIONS["arousal"]))
"""The columns of a snapshot that stand for the plane's axes: Spotify's, or people's annotations."""

PROBE_DEPTH = 3
"""So shallow a tree knows at most eight rectangles of the plane."""

DERIVED = 0.9
"""Labels that such a tree gets right so often were probably made from those numbers."""

SHOWN = ("accuracy", "accuracy_low", "accuracy_high", "macro_f1")


def baselines(
    predictions: pd.DataFrame,
    songs: pd.DataFrame,
    evaluation: EvaluationSettings,
    shuffled: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """The baselines' scores out of fold, on the songs and splits of a model's `predictions`.

    `majority` predicts the commonest mood of the songs trained on; `shuffled labels` are the probabilities that
    `shuffled_labels` gives, if any, which must be no better; `probe` is a shallow tree on valence and
    energy (or arousal) where all `songs`, a snapshot's, have them: right on more than `DERIVED`, it tells that
    labels look derived from those numbers, and that no score on them is one on people's judgement.
    """
    found = {"majority": _out_of_fold(predictions, _commonest)}
    if shuffled is not None:
        found["shuffled labels"] = shuffled
    numbers = songs.set_index("track_id").loc[predictions["track_id"]]
    for columns in PROBED:
        X = numbers[list(columns)].to_numpy()
        if np.isfinite(X).all():
            found[f"probe ({', '.join(columns)})"] = _out_of_fold(predictions, _tree(X, evaluation.seed))
            break
    return [_row(name, predictions, guess, evaluation) for name, guess in found.items()]


def shuffled_labels(
    workspace: Workspace, params: Params, machine: Machine, models: Sequence[str], predictions: pd.DataFrame
) -> np.ndarray:
    """The probabilities of each song of `predictions` by a model trained on shuffled moods, shape (n, 4).

    It is the first of `models` that is not trained by epochs, for a network would take as long as its training did;
    where there is none, the first. The moods of each fold's songs are permuted, so that each mood keeps its share.

    Raises:
        InputError: what the model reads is not there, or lacks a song.
    """
    quick = [model for model in models if not isinstance(params.models[model], TorchSettings)]
    model = next(iter(quick or models))
    _, inputs = model_inputs(workspace, params, model, machine.feature_store)
    rows = pd.Index(inputs.songs["track_id"]).get_indexer(pd.Index(predictions["track_id"]))
    if (rows < 0).any():
        raise InputError(
            f"{model}: was trained on songs that data/features lacks; train it again with dvc repro"
        )
    y, rng = (
        inputs.songs["mood"].map(MOODS.index).to_numpy(copy=True),
        np.random.default_rng(params.evaluation.seed),
    )
    splits = predictions["split"].to_numpy()
    tests = [rows[splits == name] for name in np.unique(splits)]
    for test in tests:
        y[test] = rng.permutation(y[test])
    pairs = [(np.setdiff1d(rows, test), test) for test in tests]
    found = np.zeros((len(y), len(MOODS)))
    for fold in fit_folds(inputs, y, pairs, params, model, machine.device, what=f"{model}, shuffled labels"):
        found[np.ix_(fold.rows, fold.model.classes_)] = fold.probabilities
    shuffled: np.ndarray = found[rows]
    return shuffled


Fitted = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From the rows trained on, all moods' places and the rows tested to probabilities, shape (n_test, 4)."""


def _out_of_fold(predictions: pd.DataFrame, fit: Fitted) -> np.ndarray:
    """The probabilities of each song by the fold that was not trained on it, shape (n, 4)."""
    y = predictions["mood"].map(MOODS.index).to_numpy()
    splits = predictions["split"].to_numpy()
    found = np.zeros((len(y), len(MOODS)))
    for name in np.unique(splits):
        found[splits == name] = fit(np.flatnonzero(splits != name), y, np.flatnonzero(splits == name))
    return found


def _commonest(train: np.ndarray, y: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The shares of the moods trained on, for each song."""
    return np.tile(np.bincount(y[train], minlength=len(MOODS)) / len(train), (len(test), 1))


def _tree(X: np.ndarray, seed: int) -> Fitted:
    """A shallow tree on two numbers, shape (n, 2)."""

    def fit(train: np.ndarray, y: np.ndarray, test: np.ndarray) -> np.ndarray:
        tree = DecisionTreeClassifier(max_depth=PROBE_DEPTH, random_state=seed).fit(X[train], y[train])
        found = np.zeros((len(test), len(MOODS)))
        found[:, tree.classes_] = tree.predict_proba(X[test])
        return found

    return fit


def labels_look_derived(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the probe among the baselines tells that labels were made from two numbers."""
    return any(row["baseline"].startswith("probe") and row["accuracy"] > DERIVED for row in rows)


def _row(
    name: str, predictions: pd.DataFrame, probabilities: np.ndarray, evaluation: EvaluationSettings
) -> dict[str, Any]:
    table = predictions.assign(predicted=np.array(MOODS)[probabilities.argmax(axis=1)])
    table[list(MOODS)] = probabilities
    scores = score_predictions(table, evaluation).as_json()
    return {"baseline": name} | {key: scores[key] for key in SHOWN}
