"""Features as models read them: of one clip, or of a whole data set from `data/features`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from mer_tasks.domain import SPOTIFY_FEATURES, InputError
from mer_tasks.features.clip import describe
from mer_tasks.features.image import image_rows, song_image
from mer_tasks.settings import FeatureSettings as Settings

Kind = Literal["spotify", "summary", "image"]

META, SONGS, IMAGE, SUMMARY, SPOTIFY, LEFT_OUT = (
    "meta.json",
    "songs.csv",
    "image.npy",
    "summary.parquet",
    "spotify.csv",
    "left_out.csv",
)


@dataclass(frozen=True, eq=False)
class Features:
    """One kind of features of a data set: `values[i]` are those of the song `track_ids[i]`.

    `values` is float32 of shape (n, len(names)), or for images (n, len(names), n_frames), read from
    disk as it is used; `names` are those of the columns, or of an image's rows.
    """

    kind: Kind
    track_ids: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray


def clip_features(y: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """A clip's image, shape (rows, n_frames), and summary, shape (n,), as a data set holds them.

    `y` is one channel, shape (n,), at `settings.sr` Hz; both are float32.
    """
    clip = describe(y, settings)
    return song_image(clip.blocks, settings), np.array(list(clip.summary.values()), np.float32)


def load_features(folder: Path, kind: Kind) -> Features:
    """Read one kind of features that `mer features` wrote to `folder`.

    Raises:
        InputError: they are not there, or not whole.
    """
    try:
        settings = Settings.model_validate(
            json.loads((folder / META).read_text(encoding="utf-8"))["settings"]
        )
        if kind == "spotify":
            return _spotify(folder / SPOTIFY)
        track_ids = tuple(_read_csv(folder / SONGS)["track_id"])
        if kind == "image":
            values = np.load(folder / IMAGE, mmap_mode="r")
            return Features(kind, track_ids, image_rows(settings), values)
        table = pd.read_parquet(folder / SUMMARY)
        return Features(kind, track_ids, tuple(table.columns), table.to_numpy(np.float32))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: holds no {kind} features; run mer features") from error


def _spotify(path: Path) -> Features:
    table = _read_csv(path)
    values = table[list(SPOTIFY_FEATURES)].to_numpy(np.float32)
    return Features("spotify", tuple(table["track_id"]), SPOTIFY_FEATURES, values)


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"track_id": "str"}, keep_default_na=False)
