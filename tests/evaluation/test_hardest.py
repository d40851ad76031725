"""The hardest songs are those whose own mood all models together find least probable."""

import json

import numpy as np
import pandas as pd

from mer_tasks.domain import MOODS
from mer_tasks.evaluation.hardest import hardest_songs


def table(moods: dict[str, str], probabilities: list[list[float]]) -> pd.DataFrame:
    values = np.array(probabilities)
    return pd.DataFrame(
        {
            "track_id": list(moods),
            "title": [f"title of {song}" for song in moods],
            "artist": [f"artist of {song}" for song in moods],
            "mood": list(moods.values()),
            "predicted": np.array(MOODS)[values.argmax(axis=1)],
            **dict(zip(MOODS, values.T, strict=True)),
        },
        index=list(moods),
    )


def test_the_hardest_first_by_the_mean_of_all_models() -> None:
    moods = {"a": MOODS[0], "b": MOODS[1], "c": MOODS[2]}
    one = table(moods, [[0.7, 0.1, 0.1, 0.1], [0.5, 0.3, 0.1, 0.1], [0.2, 0.2, 0.3, 0.3]])
    other = table(moods, [[0.9, 0.1, 0.0, 0.0], [0.3, 0.5, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]])
    found = hardest_songs({"one": one, "other": other}, n=2)
    assert found == [
        {
            "track_id": "c",
            "title": "title of c",
            "artist": "artist of c",
            "mood": MOODS[2],
            "predicted": MOODS[3],
            "probability": 0.2,
            "models_right": 1,
        },
        {
            "track_id": "b",
            "title": "title of b",
            "artist": "artist of b",
            "mood": MOODS[1],
            "predicted": MOODS[0],
            "probability": 0.4,
            "models_right": 1,
        },
    ]
    assert json.loads(json.dumps(found)) == found


def test_songs_alike_stand_in_the_order_of_their_ids() -> None:
    moods = dict.fromkeys(("b", "a", "c"), MOODS[0])
    same = table(moods, [[0.25] * 4] * 3)
    assert [row["track_id"] for row in hardest_songs({"one": same})] == ["a", "b", "c"]
