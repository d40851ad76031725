"""What a person should know before believing a comparison's scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks.domain import MOODS
from mer_tasks.evaluation.baselines import labels_look_derived

FAR = 0.15
"""So large a share of songs would have to get another mood for the predicted shares to be the training data's."""

DERIVED = "The labels look derived from those two numbers: scores on them are none on people's judgement."

LEAKS = "Shuffled labels are predicted better than the commonest mood: songs' moods reach the training, scores are too high."


def findings(
    predictions: Mapping[str, pd.DataFrame], baselines: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What the models' `predictions` out of fold, and the `baselines`, tell: `rule`, and what is found as `text`."""
    found = [{"rule": "derived labels", "text": DERIVED}] if labels_look_derived(baselines) else []
    majority, shuffled = (
        next(row for row in baselines if row["baseline"] == name) for name in ("majority", "shuffled labels")
    )
    if shuffled["accuracy_low"] > majority["accuracy"]:
        found.append({"rule": "shuffled labels", "text": LEAKS})
    for model, table in predictions.items():
        if text := far_shares(table["predicted"], table["mood"]):
            found.append({"rule": "predicted shares", "text": f"{model} predicts {text}"})
    return found


def far_shares(predicted: pd.Series, trained: pd.Series) -> str | None:
    """How the shares of predicted moods differ from those trained on, if by more than `FAR`; else None.

    The distance is the total variation: half of the sum of the absolute differences.
    """
    ours, theirs = _shares(predicted), _shares(trained)
    distance = float(np.abs(ours - theirs).sum() / 2)
    if distance <= FAR:
        return None
    moods = ", ".join(f"{p:.0%} {mood} (of {q:.0%})" for mood, p, q in zip(MOODS, ours, theirs, strict=True))
    return f"shares far from the training data's: {moods}; distance {distance:.2f}, more than {FAR:g}"


def _shares(moods: pd.Series) -> np.ndarray:
    counts = moods.value_counts().reindex(list(MOODS), fill_value=0).to_numpy(float)
    shares: np.ndarray = counts / counts.sum()
    return shares
