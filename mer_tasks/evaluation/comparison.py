"""The models of a data set side by side."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks import layout
from mer_tasks.domain import InputError, normalised
from mer_tasks.evaluation import plots
from mer_tasks.evaluation.scores import mean_interval
from mer_tasks.files import write_text
from mer_tasks.settings import Params

SHOWN = ("model", "features", "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "n")


def compare_models(params: Params) -> dict[str, Any]:
    """Rank the trained models by pooled out-of-fold accuracy; write `metrics/comparison.json` and a picture.

    `best` names the first of the ranking. The holdout is listed beside it and does not rank.

    Raises:
        InputError: a model of `train.models` has no metrics, or was trained on other data than the rest.
    """
    metrics = [read_metrics(name) for name in params.train.models]
    if len({(one["data"], one["protocol"]) for one in metrics}) > 1:
        raise InputError(
            "metrics/: the models were trained on different snapshots or protocols; train them all again with dvc repro"
        )
    ranked = sorted(metrics, key=lambda one: (-one["accuracy"], -one["macro_f1"], one["model"]))
    comparison = {
        "best": ranked[0]["model"],
        "songs": ranked[0]["songs"],
        "data": ranked[0]["data"],
        "protocol": ranked[0]["protocol"],
        "models": [
            {name: one[name] for name in SHOWN} | {"holdout_accuracy": one.get("holdout", {}).get("accuracy")}
            for one in ranked
        ],
        "differences": [_difference(ranked[0]["model"], one["model"], params) for one in ranked[1:]],
    }
    title = f"Out-of-fold accuracy on {ranked[0]['n']} {ranked[0]['songs']}"
    plots.comparison(layout.PLOTS / "comparison" / "accuracy.png", ranked, title)
    write_text(layout.COMPARISON, json.dumps(comparison, indent=2) + "\n")
    return comparison


def comparison_table(comparison: Mapping[str, Any]) -> str:
    """The comparison as lines of text for a terminal."""
    lines = [
        f"{'model':20} {'features':8} {'accuracy':>8}  {'95 % interval':15} {'macro F1':>8} {'n':>5}  holdout"
    ]
    for one in comparison["models"]:
        interval = f"{one['accuracy_low']:.3f} to {one['accuracy_high']:.3f}"
        holdout = "-" if one["holdout_accuracy"] is None else f"{one['holdout_accuracy']:.3f}"
        lines.append(
            f"{one['model']:20} {one['features']:8} {one['accuracy']:8.3f}  {interval:15}"
            f" {one['macro_f1']:8.3f} {one['n']:5}  {holdout}"
        )
    lines.append(f"Scores on {comparison['songs']}, protocol {comparison['protocol']}.")
    return "\n".join(lines)


def read_comparison() -> dict[str, Any]:
    """The comparison in the current folder.

    Raises:
        InputError: there is none.
    """
    return _read_json(layout.COMPARISON, "mer evaluate")


def read_metrics(name: str) -> dict[str, Any]:
    """A model's scores.

    Raises:
        InputError: there are none.
    """
    return _read_json(layout.METRICS / f"{name}.json", f"mer train {name}")


def read_card(name: str) -> dict[str, Any]:
    """What a model was trained on and by which settings.

    Raises:
        InputError: it is not trained.
    """
    return _read_json(layout.MODELS / name / "model.json", f"mer train {name}")


def read_predictions(name: str) -> pd.DataFrame:
    """A model's predictions, one row a song: `track_id`, `artist`, `mood`, `part`, `predicted`, probabilities.

    Raises:
        InputError: there are none.
    """
    path = layout.PREDICTIONS / f"{name}.csv"
    if not path.is_file():
        raise InputError(f"{path}: no such file; run mer train {name}, or dvc repro, first")
    return pd.read_csv(path, dtype={"track_id": str, "title": str, "artist": str}, keep_default_na=False)


def _read_json(path: Path, made_by: str) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; run {made_by}, or dvc repro, first") from error
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}); run {made_by}, or dvc repro, again") from error


def _difference(best: str, other: str, params: Params) -> dict[str, Any]:
    """How much more accurate `best` is than `other` on the songs both answered, with a 95 % interval."""
    pair = read_predictions(best).merge(read_predictions(other), on="track_id", suffixes=("", "_other"))
    pair = pair[pair["part"] != "holdout"]
    gain = accuracy_gain(pair["mood"], pair["predicted"], pair["predicted_other"], pair["artist"], params)
    return {"better": best, "than": other, **gain}


def accuracy_gain(
    truth: pd.Series, new: pd.Series, old: pd.Series, artists: pd.Series, params: Params
) -> dict[str, float]:
    """The paired difference of two models' accuracies on the same songs, new minus old, with a 95 % interval."""
    difference = (new == truth).astype(float).to_numpy() - (old == truth).astype(float).to_numpy()
    groups = artists.map(normalised).to_numpy().astype(str)
    low, high = mean_interval(difference, groups, params.evaluation.bootstrap, params.evaluation.seed)
    return {
        "gain": round(float(np.mean(difference)), 4),
        "gain_low": round(low, 4),
        "gain_high": round(high, 4),
    }
