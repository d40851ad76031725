"""Scores of parts of the songs, so that a good mean does not hide a kind of song that goes wrong."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks.catalog.dataset import SEPARATOR
from mer_tasks.evaluation.scores import score_predictions
from mer_tasks.features.dataset import load_features
from mer_tasks.features.folder import META
from mer_tasks.features.representations.musicnn import TAG
from mer_tasks.settings import EvaluationSettings
from mer_tasks.workspace import Workspace

VOICE = ("female vocalists", "male vocalists", "female vocalist")
"""The tags of `musicnn` that tell a voice; `INSTRUMENTAL` tells none."""

INSTRUMENTAL = "instrumental"

LOUDNESS = ("quiet", "medium", "loud")
"""Thirds of the clips by their loudness."""

SHOWN = ("n", "accuracy", "accuracy_low", "accuracy_high")


def has_voice(workspace: Workspace) -> pd.Series:
    """Whether someone sings, by the tags of `musicnn`: a bool a song, by its id; empty without that representation.

    A voice is there where one of the tags for it is more probable than the one for instrumental music. The tags are
    a network's, so this is a rough division, not a fact about a song.

    Raises:
        InputError: the representation is damaged.
    """
    folder = workspace.representation("musicnn")
    if not (folder / META).is_file():
        return pd.Series(dtype=bool)
    features = load_features(folder)
    columns = {name: features.values[:][:, place] for place, name in enumerate(features.names)}
    voice = np.max([columns[f"{TAG}{tag}"] for tag in VOICE], axis=0)
    return pd.Series(voice > columns[f"{TAG}{INSTRUMENTAL}"], index=pd.Index(features.track_ids))


def slices(
    predictions: pd.DataFrame,
    songs: pd.DataFrame,
    evaluation: EvaluationSettings,
    voice: pd.Series | None = None,
) -> list[dict[str, Any]]:
    """A row a slice that has songs: `by` what, `slice` which, and its scores.

    By collection, where there are several; by the clip's sample rate in Hz, which tells where audio came from; by
    thirds of loudness; and by `voice`, as `has_voice` gives it, if it is given. `predictions` has the columns that
    `score_predictions` reads, `songs` is a snapshot's.
    """
    known = songs.set_index("track_id").loc[predictions["track_id"]].reset_index()
    table = predictions.reset_index(drop=True)
    return [
        {"by": by, "slice": name}
        | {key: value for key, value in _scores(table[inside], evaluation).items() if key in SHOWN}
        for by, name, inside in each_slice(known, voice)
        if 0 < inside.sum() < len(table)
    ]


def _scores(table: pd.DataFrame, evaluation: EvaluationSettings) -> dict[str, Any]:
    return score_predictions(table, evaluation).as_json()


def each_slice(songs: pd.DataFrame, voice: pd.Series | None = None) -> Iterator[tuple[str, str, np.ndarray]]:
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
    if voice is not None:
        sings = songs["track_id"].map(voice)
        for name, which in (("with", True), ("without", False)):
            yield "voice", name, (sings == which).to_numpy(bool)
