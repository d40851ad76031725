"""How accuracy grows with the number of songs, and what twice as many would give."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks.evaluation import plots
from mer_tasks.evaluation.protocols import correct_by_song, mean_with_interval
from mer_tasks.evaluation.repeats import (
    SMALLEST,
    Repeat,
    Repeated,
    described,
    run_repeats,
    seeds_of,
    write_measured,
)
from mer_tasks.settings import EvaluationSettings, Machine, Params
from mer_tasks.workspace import Workspace

PARTS = (SMALLEST, 4, 2, 1)
"""One in so many of each training part's artists."""


def learning_curve(
    workspace: Workspace,
    params: Params,
    machine: Machine,
    models: Sequence[str],
    n_seeds: int,
    every_song: bool = False,
) -> dict[str, Any]:
    """Train each model on parts of each training part; write `learning-curve.json`, `.md` and `.png`.

    All are scored on the same songs: those of the folds of protocol `grouped`. A row a model: its accuracy by the
    number of songs trained on, and what a doubling gives, the slope of the line of least squares through them.

    Raises:
        InputError: the data set or what a model reads is not there, or does not suffice.
    """
    seeds = seeds_of(params.evaluation, n_seeds)
    repeats = [
        Repeat(model, "grouped", seed, one_in, every_song)
        for seed in seeds
        for model in models
        for one_in in PARTS
    ]
    found = run_repeats(workspace, params, machine, repeats)
    result = described(params, seeds, every_song)
    result["models"] = [_row(model, found, params.evaluation) for model in models]
    title = f"Accuracy by songs trained on, {result['songs']}, folds by artist, {n_seeds} seeds"
    write_measured(workspace, "learning-curve", result, curve_table(result))
    plots.songs_curve(workspace.repeats / "learning-curve.png", result["models"], title)
    return result


def curve_table(result: Mapping[str, Any]) -> str:
    """The curve as Markdown."""
    names = [f"{round(point['n_train'])} songs" for point in result["models"][0]["points"]]
    lines = [f"| model | {' | '.join(names)} | a doubling gives |", "| --- |" + " --- |" * (len(names) + 1)]
    for row in result["models"]:
        scores = [f"{one['mean']:.3f} ({one['low']:.3f} to {one['high']:.3f})" for one in row["points"]]
        gain = row["doubling"]
        lines.append(
            f"| {row['model']} | {' | '.join(scores)} |"
            f" {gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f}) |"
        )
    n_seeds = len(result["seeds"])
    what = f"{result['songs']}; accuracy on the same songs, folds by artist, mean of {n_seeds} seeds"
    return "\n".join([*lines, "", f"{what}, with the 95 % interval over artists."])


def _row(model: str, found: Sequence[Repeated], evaluation: EvaluationSettings) -> dict[str, Any]:
    own = {
        one_in: [one for one in found if (one.repeat.model, one.repeat.one_in) == (model, one_in)]
        for one_in in PARTS
    }
    n_train = [float(np.mean([one.n_train for one in own[one_in]])) for one_in in PARTS]
    correct = [correct_by_song(own[one_in]) for one_in in PARTS]
    points = [
        {"n_train": round(n, 1)} | mean_with_interval(values, evaluation)
        for n, values in zip(n_train, correct, strict=True)
    ]
    return {
        "model": model,
        "points": points,
        "doubling": mean_with_interval(_slopes(np.log2(n_train), correct), evaluation),
    }


def _slopes(x: np.ndarray, values: Sequence[pd.Series]) -> pd.Series:
    """The slope over `x` of each song's values by least squares: their mean is the slope of the means."""
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    slopes: pd.Series = pd.concat(values, axis=1) @ weights
    return slopes
