"""Results of models as training would give them, with predictions that a test chooses."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks.catalog.dataset import LEFT_OUT_COLUMNS, SONG_COLUMNS, Snapshot
from mer_tasks.domain import MOODS
from mer_tasks.evaluation.result import HOLDOUT, ModelResult
from mer_tasks.evaluation.scores import score_predictions
from mer_tasks.settings import Params, parse_params


def with_models(params: Params, **reads: str) -> Params:
    """The settings with logistic regressions of these names, each with what it reads."""
    settings = {"system": "logistic_regression", "C": 1.0, "max_iter": 100}
    models = {name: {**settings, "reads": representation} for name, representation in reads.items()}
    return parse_params({**params.model_dump(mode="json"), "models": models}, "test")


def predictions(
    predicted: Mapping[str, str], moods: Mapping[str, str], holdout: Sequence[str] = ()
) -> pd.DataFrame:
    """A row a song by its id: its mood, and the predicted mood with a probability of 0.7; an artist a song."""
    rows = []
    for place, track_id in enumerate(sorted(predicted)):
        split = HOLDOUT if track_id in holdout else f"fold-{place % 2}"
        song = [track_id, f"Title {track_id}", f"Artist {track_id}", moods[track_id], split]
        probabilities = [0.7 if mood == predicted[track_id] else 0.1 for mood in MOODS]
        rows.append([*song, predicted[track_id], *probabilities])
    names = ["track_id", "title", "artist", "mood", "split", "predicted", *MOODS]
    return pd.DataFrame(rows, columns=pd.Index(names))


def model_result(params: Params, model: str, table: pd.DataFrame, **changes: Any) -> ModelResult:
    """The result of a model with these predictions."""
    apart = table["split"] == HOLDOUT
    values: dict[str, Any] = {
        "model": model,
        "system": params.models[model].system,
        "reads": params.models[model].reads,
        "feature_names": ("a", "b"),
        "systems": params.models[model].systems,
        "shapes": ((2,),),
        "songs": "songs of mine",
        "collections": ("mine",),
        "protocol": "grouped",
        "data": "d" * 64,
        "params": {"evaluation": params.evaluation.model_dump(mode="json")},
        "scores": score_predictions(table[~apart], params.evaluation),
        "holdout": score_predictions(table[apart], params.evaluation) if apart.any() else None,
        "fold_accuracies": (0.5, 2 / 3),
        "best_fold": 1,
        "curves": ([], []),
        "predictions": table,
    }
    return ModelResult(**{**values, **changes})


def some_moods(n: int, seed: int = 0) -> dict[str, str]:
    """Moods of `n` songs by id, as many of each."""
    order = np.random.default_rng(seed).permutation(n)
    return {f"t{place:03}": MOODS[order[place] % 4] for place in range(n)}


def snapshot_of(moods: Mapping[str, str], **columns: Any) -> Snapshot:
    """A snapshot of songs by the artists of `predictions`; `columns` are values by song id."""
    rows = pd.DataFrame({"track_id": list(moods), "mood": list(moods.values()), "collections": "mine"})
    rows["title"], rows["artist"] = "Title " + rows["track_id"], "Artist " + rows["track_id"]
    for name, values in columns.items():
        rows[name] = rows["track_id"].map(values)
    songs = rows.reindex(columns=list(SONG_COLUMNS)).astype(SONG_COLUMNS)
    return Snapshot(songs, pd.DataFrame(columns=list(LEFT_OUT_COLUMNS)).astype(LEFT_OUT_COLUMNS))


def with_errors(moods: Mapping[str, str], *wrong: str) -> dict[str, str]:
    """Predictions that are right but for the songs `wrong`."""
    return {
        track_id: MOODS[(MOODS.index(mood) + 1) % 4] if track_id in wrong else mood
        for track_id, mood in moods.items()
    }
