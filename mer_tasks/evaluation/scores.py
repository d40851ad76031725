"""Scores of predictions, with intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks.domain import MOODS, QUADRANT, primary_artist
from mer_tasks.evaluation.calibration import calibration_error, confidence, risk_coverage
from mer_tasks.settings import EvaluationSettings

SIGNS = np.array([QUADRANT[mood] for mood in MOODS])
"""Of valence and arousal, in the moods' order."""

SMALLEST = 1e-6
"""A probability below this counts as this in the log loss: written with six digits it may be 0."""

BLOCK = 200
"""Resamples at a time, so that memory does not grow with them."""


@dataclass(frozen=True)
class Scores:
    """Scores of `n` songs; `_low` and `_high` bound a 95 % interval.

    `top2_accuracy` counts a mood that is among the two most probable ones. `valence_accuracy` and
    `arousal_accuracy` count the sign of each on the plane of moods; `valence_r2` and `arousal_r2` are the
    coefficients of determination of where a song's probabilities put it, the centre of its mood's quadrant being the
    truth (0 where all songs lie on one side). `log_loss` and `calibration_error` judge the
    probabilities; `surest_half_accuracy` is the accuracy where only the surer half of the songs is answered.
    """

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    macro_f1: float
    macro_f1_low: float
    macro_f1_high: float
    recall: dict[str, float]
    top2_accuracy: float
    valence_accuracy: float
    arousal_accuracy: float
    valence_r2: float
    arousal_r2: float
    log_loss: float
    calibration_error: float
    surest_half_accuracy: float

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
    probabilities: np.ndarray,
    artists: Sequence[str] | np.ndarray,
    n_resamples: int,
    seed: int,
) -> Scores:
    """Scores of predicted moods, one entry a song, and of their probabilities, shape (n, 4).

    A mood without songs has no recall and does not count in macro F1.
    """
    y, guess = (np.array([MOODS.index(mood) for mood in moods]) for moods in (truth, predicted))
    artists = np.asarray(artists, dtype=str)
    correct = y == guess
    confusion = _confusion(y, guess)
    totals = confusion.sum(axis=0)
    accuracy_low, accuracy_high = _accuracy_interval(correct, artists, n_resamples, seed)
    f1 = np.concatenate([_macro_f1(sums) for sums in resampled_sums(confusion, artists, n_resamples, seed)])
    f1_low, f1_high = np.quantile(f1, [0.025, 0.975])
    own = probabilities[np.arange(len(y)), y]
    sure = confidence(probabilities)
    return Scores(
        n=len(y),
        accuracy=float(correct.mean()),
        accuracy_low=accuracy_low,
        accuracy_high=accuracy_high,
        macro_f1=float(_macro_f1(totals[None])[0]),
        macro_f1_low=float(f1_low),
        macro_f1_high=float(f1_high),
        recall={
            mood: float(totals[place, place] / totals[place].sum())
            for place, mood in enumerate(MOODS)
            if totals[place].sum()
        },
        top2_accuracy=float(((probabilities > own[:, None]).sum(axis=1) < 2).mean()),
        valence_accuracy=float((SIGNS[y, 0] == SIGNS[guess, 0]).mean()),
        arousal_accuracy=float((SIGNS[y, 1] == SIGNS[guess, 1]).mean()),
        valence_r2=_r2(SIGNS[y, 0], probabilities @ SIGNS[:, 0]),
        arousal_r2=_r2(SIGNS[y, 1], probabilities @ SIGNS[:, 1]),
        log_loss=float(-np.log(np.clip(own, SMALLEST, None)).mean()),
        calibration_error=calibration_error(correct, sure),
        surest_half_accuracy=float(risk_coverage(correct, sure)[(len(y) - 1) // 2]),
    )


def _r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    spread = ((truth - truth.mean()) ** 2).sum()
    return float(1 - ((truth - predicted) ** 2).sum() / spread) if spread else 0.0


def score_predictions(predictions: pd.DataFrame, evaluation: EvaluationSettings) -> Scores:
    """Scores of a table with the columns `mood`, `predicted`, `artist` and a probability a mood."""
    return score(
        predictions["mood"].to_numpy(),
        predictions["predicted"].to_numpy(),
        predictions[list(MOODS)].to_numpy(),
        predictions["artist"].map(primary_artist).to_numpy(),
        evaluation.bootstrap,
        evaluation.seed,
    )


def _confusion(y: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """A matrix a song, shape (n, 4, 4), with one 1: its mood's row, the predicted mood's column."""
    confusion = np.zeros((len(y), len(MOODS), len(MOODS)))
    confusion[np.arange(len(y)), y, guess] = 1
    return confusion


def _macro_f1(confusion: np.ndarray) -> np.ndarray:
    """The mean F1 over the moods that have songs, of each confusion matrix, shape (n, 4, 4) to (n,)."""
    right = confusion.diagonal(axis1=1, axis2=2)
    songs, guesses = confusion.sum(axis=2), confusion.sum(axis=1)
    f1 = 2 * right / np.maximum(songs + guesses, 1)
    mean: np.ndarray = np.where(songs > 0, f1, 0).sum(axis=1) / (songs > 0).sum(axis=1)
    return mean


def _accuracy_interval(
    correct: np.ndarray, artists: np.ndarray, n_resamples: int, seed: int
) -> tuple[float, float]:
    """The 95 % interval of an accuracy, which is an interval too where all songs, or none, are right.

    There resampling gives the same value again and again; Clopper and Pearson's exact interval with as many
    trials as there are artists does not.
    """
    if not correct.all() and correct.any():
        return mean_interval(correct, artists, n_resamples, seed)
    nearest = float(0.025 ** (1 / len(np.unique(artists))))
    return (nearest, 1.0) if correct.all() else (0.0, 1 - nearest)


def mean_interval(
    values: np.ndarray, artists: np.ndarray, n_resamples: int, seed: int
) -> tuple[float, float]:
    """The 95 % interval of the mean of `values`, one a song, by a bootstrap over artists.

    Songs of one artist are alike, so artists are drawn, not songs: the cluster bootstrap (Davison and
    Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8).
    """
    pairs = np.column_stack([np.ones(len(values)), values.astype(float)])
    sums = np.concatenate(list(resampled_sums(pairs, artists, n_resamples, seed)))
    low, high = np.quantile(sums[:, 1] / sums[:, 0], [0.025, 0.975])
    return float(low), float(high)


def resampled_sums(
    values: np.ndarray, artists: np.ndarray, n_resamples: int, seed: int
) -> Iterator[np.ndarray]:
    """The sums over resampled artists of `values`, shape (n, …): a block of resamples at a time, (n_block, …)."""
    _, artist_of = np.unique(artists, return_inverse=True)
    n_artists, rng = int(artist_of.max()) + 1, np.random.default_rng(seed)
    by_artist = np.zeros((n_artists, *values.shape[1:]))
    np.add.at(by_artist, artist_of, values)
    for start in range(0, n_resamples, BLOCK):
        size = (min(BLOCK, n_resamples - start), n_artists)
        drawn = rng.integers(n_artists, size=size)
        times = np.stack([np.bincount(row, minlength=n_artists) for row in drawn])
        yield np.tensordot(times, by_artist, axes=1)
