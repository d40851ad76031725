"""Models by several seeds and protocols in one table: what an honest protocol costs, and how much a seed moves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks.domain import MOODS, primary_artist
from mer_tasks.evaluation import plots
from mer_tasks.evaluation.repeats import (
    FOLDS,
    Repeat,
    Repeated,
    described,
    run_repeats,
    seeds_of,
    write_measured,
)
from mer_tasks.evaluation.scores import mean_interval
from mer_tasks.settings import EvaluationSettings, Machine, Params, Protocol
from mer_tasks.workspace import Workspace

PROTOCOLS: tuple[Protocol, ...] = ("grouped", "paper", "ungrouped")


def compare_protocols(
    workspace: Workspace,
    params: Params,
    machine: Machine,
    models: Sequence[str],
    n_seeds: int,
    every_song: bool = False,
) -> dict[str, Any]:
    """Train each model by each protocol for `n_seeds` seeds; write `protocols.json`, `.md` and `.png`.

    A row a model: its accuracy pooled out of fold by each protocol, and how much more the others than `grouped`
    give. Seeds begin with `evaluation.seed`. The holdout is left out unless `every_song`.

    Raises:
        InputError: the data set or what a model reads is not there, or does not suffice.
    """
    seeds = seeds_of(params.evaluation, n_seeds)
    repeats = [
        Repeat(model, protocol, seed, every_song=every_song)
        for seed in seeds  # so that a run that is stopped has something of each
        for model in models
        for protocol in PROTOCOLS
    ]
    found = run_repeats(workspace, params, machine, repeats)
    result = described(params, seeds, every_song)
    result["folds"] = {protocol: FOLDS.get(protocol, params.evaluation.folds) for protocol in PROTOCOLS}
    result["models"] = [_row(model, found, params.evaluation) for model in models]
    write_measured(workspace, "protocols", result, protocols_table(result))
    plots.protocols(workspace.repeats / "protocols.png", result["models"], PROTOCOLS, _title(result))
    return result


def correct_by_song(repeated: Sequence[Repeated]) -> pd.Series:
    """How often each song is right, over the seeds; by its artist and id."""
    tables = [
        pd.Series(
            (one.predictions["predicted"] == one.predictions["mood"]).to_numpy(float),
            index=pd.MultiIndex.from_arrays(
                [one.predictions["artist"].map(primary_artist), one.predictions["track_id"]]
            ),
        )
        for one in repeated
    ]
    return pd.concat(tables, axis=1).mean(axis=1)


def mean_with_interval(values: pd.Series, evaluation: EvaluationSettings) -> dict[str, float]:
    """The mean of values by artist and song as `mean`, `low` and `high`: a 95 % interval over artists."""
    artists = values.index.get_level_values(0).to_numpy().astype(str)
    low, high = mean_interval(values.to_numpy(), artists, evaluation.bootstrap, evaluation.seed)
    return {"mean": round(float(values.mean()), 4), "low": round(low, 4), "high": round(high, 4)}


def protocols_table(result: Mapping[str, Any]) -> str:
    """The table as Markdown."""
    names = [f"{protocol}, {result['folds'][protocol]} folds" for protocol in PROTOCOLS]
    more = [f"{protocol} - grouped" for protocol in PROTOCOLS[1:]]
    lines = [f"| model | {' | '.join([*names, *more])} |", "| --- |" + " --- |" * (len(names) + len(more))]
    for row in result["models"]:
        scores = [_accuracy(row["protocols"][protocol]) for protocol in PROTOCOLS]
        gains = [_gain(row["more_than_grouped"][protocol]) for protocol in PROTOCOLS[1:]]
        lines.append(f"| {row['model']} | {' | '.join([*scores, *gains])} |")
    return "\n".join([*lines, "", f"{_title(result)}. {EXPLANATION}"])


EXPLANATION = (
    "Accuracy pooled out of fold: mean over seeds ± standard deviation, in brackets the 95 % interval over artists."
    " For comparison only: nothing of it can be registered."
)


def _title(result: Mapping[str, Any]) -> str:
    which = "every song" if result["every_song"] else "without the holdout"
    n = max(row["n"] for row in result["models"])
    return f"{n} {result['songs']}, {which}, seeds {result['seeds'][0]} to {result['seeds'][-1]}"


def _row(model: str, found: Sequence[Repeated], evaluation: EvaluationSettings) -> dict[str, Any]:
    own = {
        protocol: [one for one in found if (one.repeat.model, one.repeat.protocol) == (model, protocol)]
        for protocol in PROTOCOLS
    }
    correct = {protocol: correct_by_song(repeated) for protocol, repeated in own.items()}
    return {
        "model": model,
        "n": len(correct["grouped"]),
        "protocols": {
            protocol: _spread(repeated) | mean_with_interval(correct[protocol], evaluation)
            for protocol, repeated in own.items()
        },
        "more_than_grouped": {
            protocol: mean_with_interval(correct[protocol] - correct["grouped"], evaluation)
            for protocol in PROTOCOLS[1:]
        },
    }


def _spread(repeated: Sequence[Repeated]) -> dict[str, Any]:
    """The accuracy of each seed, their standard deviation, and the mean of the log losses."""
    tables = [one.predictions for one in repeated]
    accuracies = [float((table["predicted"] == table["mood"]).mean()) for table in tables]
    own = [
        table[list(MOODS)].to_numpy()[np.arange(len(table)), table["mood"].map(MOODS.index)]
        for table in tables
    ]
    return {
        "accuracies": [round(accuracy, 4) for accuracy in accuracies],
        "deviation": round(float(np.std(accuracies, ddof=1)), 4) if len(accuracies) > 1 else 0.0,
        "log_loss": round(float(-np.log(np.clip(own, 1e-6, None)).mean()), 4),
    }


def _accuracy(score: Mapping[str, Any]) -> str:
    return f"{score['mean']:.3f} ± {score['deviation']:.3f} ({score['low']:.3f} to {score['high']:.3f})"


def _gain(gain: Mapping[str, Any]) -> str:
    return f"{gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
