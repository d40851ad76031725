"""Which songs a model is trained on, and which it is scored on."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from mer_tasks.domain import MOODS, primary_artist
from mer_tasks.errors import InputError
from mer_tasks.settings import EvaluationSettings


@dataclass(frozen=True)
class Split:
    """Row numbers of a data set: songs for the folds, songs of the holdout, and unused songs.

    A song is unused when its artist belongs to the holdout but its mood's places there are taken: it is
    neither trained on nor scored, so that growth never moves a song across.
    """

    folds: np.ndarray
    holdout: np.ndarray
    unused: np.ndarray


def _fraction(text: str) -> float:
    """A number in [0, 1) that depends on nothing but the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def split(songs: pd.DataFrame, evaluation: EvaluationSettings) -> Split:
    """Set the holdout apart, by a hash of the artist: growth never moves a song, no artist is on both sides.

    A song's artist is its first: guests do not make another one.
    """
    by_artist = np.array([_fraction(primary_artist(artist)) for artist in songs["artist"]])
    apart = by_artist < evaluation.holdout_share
    order = [_fraction(track_id) for track_id in songs["track_id"]]
    places = pd.DataFrame({"mood": songs["mood"].to_numpy(), "order": order})[apart]
    rank = places.groupby("mood")["order"].rank(method="first")
    in_holdout = np.zeros(len(songs), bool)
    in_holdout[rank.index[rank <= evaluation.holdout_per_mood]] = True
    return Split(np.flatnonzero(~apart), np.flatnonzero(in_holdout), np.flatnonzero(apart & ~in_holdout))


def folds(songs: pd.DataFrame, evaluation: EvaluationSettings) -> list[tuple[np.ndarray, np.ndarray]]:
    """Row numbers to train on and to test on, a pair a fold, stratified by mood.

    Protocol `grouped` keeps an artist's songs in one fold; `paper` and `ungrouped` do not, as the paper did not.

    Raises:
        InputError: a mood has fewer artists than there are folds, or a fold takes all of its songs: there
            would be none left to train on.
    """
    moods, artists = songs["mood"].to_numpy(), songs["artist"].map(primary_artist).to_numpy()
    counted = artists if evaluation.protocol == "grouped" else np.arange(len(songs))
    for mood in MOODS:
        n = len(np.unique(counted[moods == mood]))
        if n < evaluation.folds:
            raise InputError(
                f"mood {mood} has songs by {n} artists outside the holdout; {evaluation.folds} folds need"
                f" as many: import more songs, or lower evaluation.folds in params.yaml"
            )
    kind = StratifiedGroupKFold if evaluation.protocol == "grouped" else StratifiedKFold
    splitter = kind(evaluation.folds, shuffle=True, random_state=evaluation.seed)
    groups = artists if evaluation.protocol == "grouped" else None
    pairs = list(splitter.split(moods, moods, groups))
    for train, _ in pairs:
        if missing := [mood for mood in MOODS if mood not in moods[train]]:
            raise InputError(
                f"mood {missing[0]} has all of its songs in one fold, so that none is left to train on: import more"
                f" songs, or change evaluation.folds or evaluation.seed in params.yaml"
            )
    return pairs
