"""The songs that models get wrong: what a person would listen to next, be it the model that errs or the label."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks.domain import MOODS

SHOWN = 20


def hardest_songs(predictions: Mapping[str, pd.DataFrame], n: int = SHOWN) -> list[dict[str, Any]]:
    """The `n` songs to whose own mood all models together give the least probability, the hardest first.

    `predictions` are the models' tables of the same songs in the same order. A row has the song, its mood, the
    mood that the models find most probable together, the mean probability of its own mood, and how many models
    are right.
    """
    tables = list(predictions.values())
    songs = tables[0]
    mean = np.mean([table[list(MOODS)].to_numpy() for table in tables], axis=0)
    own = mean[np.arange(len(songs)), songs["mood"].map(MOODS.index).to_numpy()]
    right = sum((table["predicted"] == table["mood"]).to_numpy(int) for table in tables)
    found = pd.DataFrame(
        {
            **{name: songs[name].to_numpy() for name in ("track_id", "title", "artist", "mood")},
            "predicted": np.array(MOODS)[mean.argmax(axis=1)],
            "probability": own.round(4),
            "models_right": right,
        }
    )
    rows = found.sort_values(["probability", "track_id"])[:n].to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
