"""Scores of predictions, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score, recall_score

from mer_tasks.domain import MOODS, primary_artist
from mer_tasks.settings import EvaluationSettings


@dataclass(frozen=True)
class Scores:
    """Scores of `n` songs; `accuracy_low` and `accuracy_high` bound a 95 % interval."""

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    macro_f1: float
    recall: dict[str, float]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Scores":
        """The scores that `as_json` gave, other keys ignored."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def as_json(self) -> dict[str, Any]:
        """Plain values, rounded to four digits."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def score(
    truth: Sequence[str] | np.ndarray,
    predicted: Sequence[str] | np.ndarray,
    artists: Sequence[str] | np.ndarray,
    n_resamples: int,
    seed: int,
) -> Scores:
    """Accuracy with its interval, macro F1 and recall a mood; moods in, one entry a song.

    A mood without songs has no recall and does not count in macro F1.
    """
    truth, predicted = np.asarray(truth, dtype=str), np.asarray(predicted, dtype=str)
    present = [mood for mood in MOODS if mood in truth]
    low, high = mean_interval(truth == predicted, np.asarray(artists, dtype=str), n_resamples, seed)
    recalls = recall_score(truth, predicted, labels=present, average=None, zero_division=0)
    return Scores(
        n=len(truth),
        accuracy=float(accuracy_score(truth, predicted)),
        accuracy_low=low,
        accuracy_high=high,
        macro_f1=float(f1_score(truth, predicted, labels=present, average="macro", zero_division=0)),
        recall={mood: float(value) for mood, value in zip(present, recalls, strict=True)},
    )


def score_predictions(predictions: pd.DataFrame, evaluation: EvaluationSettings) -> Scores:
    """Scores of a table with the columns `mood`, `predicted` and `artist`."""
    return score(
        predictions["mood"].to_numpy(),
        predictions["predicted"].to_numpy(),
        predictions["artist"].map(primary_artist).to_numpy(),
        evaluation.bootstrap,
        evaluation.seed,
    )


def mean_interval(
    values: np.ndarray, artists: np.ndarray, n_resamples: int, seed: int
) -> tuple[float, float]:
    """The 95 % interval of the mean of `values`, one a song, by a bootstrap over artists.

    Songs of one artist are alike, so artists are drawn, not songs: the cluster bootstrap (Davison and
    Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8).
    """
    _, artist_of = np.unique(artists, return_inverse=True)
    sizes, sums = np.bincount(artist_of), np.bincount(artist_of, weights=values.astype(float))
    drawn = np.random.default_rng(seed).integers(len(sizes), size=(n_resamples, len(sizes)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
