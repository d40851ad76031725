"""The models of a data set side by side, on the songs that all of them answered."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.domain import primary_artist
from mer_tasks.errors import InputError
from mer_tasks.evaluation import plots
from mer_tasks.evaluation.baselines import baselines, shuffled_labels
from mer_tasks.evaluation.findings import findings
from mer_tasks.evaluation.hardest import hardest_songs
from mer_tasks.evaluation.result import HOLDOUT, ModelResult, read_json, read_result
from mer_tasks.evaluation.scores import mean_interval, score_predictions
from mer_tasks.evaluation.slices import has_voice, slices
from mer_tasks.files import write_text
from mer_tasks.settings import EvaluationSettings, Machine, Params
from mer_tasks.workspace import Workspace

SHOWN = ("accuracy", "accuracy_low", "accuracy_high", "macro_f1", "log_loss", "calibration_error", "n")

HARDEST_PRINTED = 5


def compare_models(workspace: Workspace, params: Params, machine: Machine) -> dict[str, Any]:
    """Rank the trained models by accuracy out of fold; write `metrics/comparison.json` and a picture.

    All are scored on the songs that every one of them has predictions for, so that none is ahead by
    having easier songs. `best` names the first; `slices` are its scores on parts of the songs, and `baselines` what
    it is seen beside; `findings` are what a person should know; `hardest` are the songs that all models together get
    most wrong; `refit` is what training on all folds' songs gains. The holdout is listed beside it and does not rank.

    Raises:
        InputError: there is no snapshot, a model is not trained, was trained on other data than the others, they
            share no song, or what they read is not there.
    """
    results = [read_result(workspace, name) for name in params.models]
    if len({(one.data, one.protocol) for one in results}) > 1:
        raise InputError(
            "metrics/: the models were trained on different snapshots or protocols; train them all again with dvc repro"
        )
    shared = _on_shared_songs(results)
    rows = [
        {"model": one.model, "reads": one.read_together}
        | {key: score_predictions(shared[one.model], params.evaluation).as_json()[key] for key in SHOWN}
        | {"n_own": one.scores.n, "holdout_accuracy": one.holdout.accuracy if one.holdout else None}
        for one in results
    ]
    songs = read_snapshot(workspace.snapshot).songs
    ranked = sorted(rows, key=lambda row: (-row["accuracy"], -row["macro_f1"], row["model"]))
    best, some = ranked[0]["model"], results[0]
    order = [row["model"] for row in ranked]
    shuffled = shuffled_labels(workspace, params, machine, order, shared[best])
    beside = baselines(shared[best], songs, params.evaluation, shuffled)
    comparison = {
        "best": best,
        "songs": some.songs,
        "data": some.data,
        "protocol": some.protocol,
        "models": ranked,
        "baselines": beside,
        "findings": findings({model: shared[model] for model in order}, beside),
        "slices": slices(shared[best], songs, params.evaluation, has_voice(workspace)),
        "hardest": hardest_songs(shared),
        "refit": [gain for one in results if (gain := refit_gain(one, params.evaluation))],
        "differences": [
            {"better": best, "than": row["model"]}
            | _difference(shared[best], shared[row["model"]], params.evaluation)
            for row in ranked[1:]
        ],
    }
    title = f"Out-of-fold accuracy on {ranked[0]['n']} {some.songs}"
    plots.comparison(workspace.plots("comparison") / "accuracy.png", ranked, title)
    write_text(workspace.comparison, json.dumps(comparison, indent=2) + "\n")
    return comparison


def comparison_table(comparison: Mapping[str, Any]) -> str:
    """The comparison as lines of text for a terminal."""
    model, reads = (
        max(len(key), *(len(one[key]) for one in comparison["models"])) for key in ("model", "reads")
    )
    first = f"{'model':{model}} {'reads':{reads}}"
    lines = [
        f"{first} {'accuracy':>8}  {'95 % interval':15} {'macro F1':>8} {'log loss':>8} {'n':>5}  holdout"
    ]
    for one in comparison["models"]:
        interval = f"{one['accuracy_low']:.3f} to {one['accuracy_high']:.3f}"
        holdout = "-" if one["holdout_accuracy"] is None else f"{one['holdout_accuracy']:.3f}"
        lines.append(
            f"{one['model']:{model}} {one['reads']:{reads}} {one['accuracy']:8.3f}  {interval:15}"
            f" {one['macro_f1']:8.3f} {one['log_loss']:8.3f} {one['n']:5}  {holdout}"
        )
    lines.append(f"Scores on {comparison['songs']}, protocol {comparison['protocol']}.")
    beside = ", ".join(f"{one['baseline']} {one['accuracy']:.3f}" for one in comparison["baselines"])
    lines.append(f"To be seen beside: {beside}.")
    lines += [one["text"] for one in comparison["findings"]]
    if hardest := comparison["hardest"][:HARDEST_PRINTED]:
        lines.append("Hardest for all, and worth a listen (metrics/comparison.json has more):")
    lines += [
        f"  {one['track_id']}  {one['artist']} - {one['title']}: {one['mood']}, predicted {one['predicted']};"
        f" {one['probability']:.3f} for its own mood"
        for one in hardest
    ]
    lines += [
        f"{one['model']} trained on all songs outside the holdout: {one['accuracy']:.3f} on it, the best fold's"
        f" {one['best_fold']:.3f}, a gain of {one['gain']:+.3f} ({one['gain_low']:+.3f} to {one['gain_high']:+.3f})."
        for one in comparison["refit"]
    ]
    lines += [
        f"{one['model']} has predictions for {one['n_own']} songs; it is compared on the {one['n']} that all share."
        for one in comparison["models"]
        if one["n_own"] != one["n"]
    ]
    return "\n".join(lines)


def read_comparison(workspace: Workspace) -> dict[str, Any]:
    """The comparison that `compare_models` wrote.

    Raises:
        InputError: there is none, or it is damaged.
    """
    return read_json(workspace.comparison, "run mer evaluate, or dvc repro,")


def refit_gain(result: ModelResult, evaluation: EvaluationSettings) -> dict[str, Any]:
    """What training on all songs outside the holdout gains there on the best fold's model; empty if there is none."""
    if result.refit is None or result.holdout is None:
        return {}
    by_all, by_fold = (table[table["split"] == HOLDOUT] for table in (result.refit, result.predictions))
    truth, guess, artists = (by_all[name].reset_index(drop=True) for name in ("mood", "predicted", "artist"))
    gain = accuracy_gain(truth, guess, by_fold["predicted"].reset_index(drop=True), artists, evaluation)
    accuracy = round(float((truth == guess).mean()), 4)
    return {"model": result.model, "accuracy": accuracy, "best_fold": result.holdout.accuracy, **gain}


def accuracy_gain(
    truth: pd.Series, new: pd.Series, old: pd.Series, artists: pd.Series, evaluation: EvaluationSettings
) -> dict[str, float]:
    """The paired difference of two models' accuracies on the same songs, new minus old, with a 95 % interval."""
    difference = (new == truth).astype(float).to_numpy() - (old == truth).astype(float).to_numpy()
    groups = artists.map(primary_artist).to_numpy().astype(str)
    low, high = mean_interval(difference, groups, evaluation.bootstrap, evaluation.seed)
    return {
        "gain": round(float(np.mean(difference)), 4),
        "gain_low": round(low, 4),
        "gain_high": round(high, 4),
    }


def _on_shared_songs(results: Sequence[ModelResult]) -> dict[str, pd.DataFrame]:
    """Each model's predictions out of fold for the songs that all of them predicted, in the same order."""
    tables = {one.model: one.out_of_fold.set_index("track_id", drop=False) for one in results}
    shared = sorted(set.intersection(*(set(table.index) for table in tables.values())))
    if not shared:
        names = ", ".join(tables)
        raise InputError(f"models: {names} share no song, so they cannot be compared; see what each reads")
    return {name: table.loc[shared].reset_index(drop=True) for name, table in tables.items()}


def _difference(best: pd.DataFrame, other: pd.DataFrame, evaluation: EvaluationSettings) -> dict[str, float]:
    """How much more accurate the best is than another, on the same songs."""
    return accuracy_gain(best["mood"], best["predicted"], other["predicted"], best["artist"], evaluation)
