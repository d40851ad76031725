"""Parts of the songs to train on that are set apart by artist, for what has to be learnt on songs that a model did not see."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from mer_tasks.domain import MOODS
from mer_tasks.errors import InputError

FOLDS = 5
"""Models that are trained for the probabilities alone, each without a part of the artists."""


def artist_folds(
    y: np.ndarray, groups: np.ndarray | None, seed: int | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Row numbers to train on and to predict, a pair a fold; no group is on both sides, every mood is trained on.

    `y` holds the moods' places, shape (n,), `groups` the artists; without them each row is its own.

    Raises:
        InputError: a mood has too few groups.
    """
    groups = np.arange(len(y)) if groups is None else np.asarray(groups)
    moods = np.unique(y)
    fewest, mood = min((len(np.unique(groups[y == one])), MOODS[one]) for one in moods)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    if fewest > 1:
        splitter = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
        pairs = list(splitter.split(y, y, groups))
    if not pairs or any(len(np.unique(y[train])) < len(moods) for train, _ in pairs):
        raise InputError(
            f"mood {mood} has songs by {fewest} artists to train on, too few to learn probabilities from others' songs:"
            " import more songs, or take the model out of params.yaml"
        )
    return pairs
