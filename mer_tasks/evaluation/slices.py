"""Scores of parts of the songs, so that a good mean does not hide a kind of song that goes wrong."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks.catalog.dataset import SEPARATOR
from mer_tasks.evaluation.scores import score_predictions
from mer_tasks.settings import EvaluationSettings

LOUDNESS = ("quiet", "medium", "loud")
"""Thirds of the clips by their loudness."""

SHOWN = ("n", "accuracy", "accuracy_low", "accuracy_high")


def slices(
    predictions: pd.DataFrame, songs: pd.DataFrame, evaluation: EvaluationSettings
) -> list[dict[str, Any]]:
    """A row a slice that has songs: `by` what, `slice` which, and its scores.

    By collection, where there are several; by the clip's sample rate in Hz, which tells where audio came from; and
    by thirds of loudness. `predictions` has the columns that `score_predictions` reads, `songs` is a snapshot's.
    """
    known = songs.set_index("track_id").loc[predictions["track_id"]].reset_index()
    table = predictions.reset_index(drop=True)
    return [
        {"by": by, "slice": name}
        | {key: value for key, value in _scores(table[inside], evaluation).items() if key in SHOWN}
        for by, name, inside in each_slice(known)
        if 0 < inside.sum() < len(table)
    ]


def _scores(table: pd.DataFrame, evaluation: EvaluationSettings) -> dict[str, Any]:
    return score_predictions(table, evaluation).as_json()


def each_slice(songs: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    """What is sliced by, the slice's name and which of a snapshot's songs are in it."""
    of_song = songs["collections"].str.split(SEPARATOR)
    for name in sorted({one for names in of_song for one in names}):
        yield "collection", name, of_song.map(lambda names, name=name: name in names).to_numpy(bool)
    rates = songs["clip_sr"]
    for rate in sorted(rates.dropna().unique()):
        yield "sample rate", str(rate), (rates == rate).fillna(False).to_numpy(bool)
    loudness = songs["clip_loudness_lufs"].to_numpy(float)
    if np.isfinite(loudness).any():
        third = np.searchsorted(np.nanquantile(loudness, [1 / 3, 2 / 3]), loudness)
        for place, name in enumerate(LOUDNESS):
            yield "loudness", name, (third == place) & np.isfinite(loudness)
