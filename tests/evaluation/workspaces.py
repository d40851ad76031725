"""A workspace with a snapshot and representations of synthetic songs, written as `mer snapshot` and `mer features` do."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks.catalog.dataset import (
    LEFT_OUT_COLUMNS,
    SONG_COLUMNS,
    Snapshot,
    read_snapshot,
    write_snapshot,
)
from mer_tasks.domain import MOODS, SPOTIFY_FEATURES
from mer_tasks.features.build import build_features
from mer_tasks.features.folder import MANIFEST, part_files, write_csv, write_meta, write_part_file
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import Params, parse_params
from mer_tasks.workspace import Workspace

N_ARTISTS, SONGS_EACH, N_COLUMNS = 32, 3, 10


def quick_params(params: Params, models: dict[str, Any]) -> Params:
    """The project's settings for the collection `mine`, with few folds and resamples, and these models."""
    values = params.model_dump(mode="json")
    values["snapshot"] |= {"collections": ["mine"]}
    values["evaluation"] |= {"folds": 3, "bootstrap": 100, "holdout_share": 0.2, "seed": 20}
    return parse_params({**values, "models": models}, "test")


def make_workspace(root: Path, params: Params, n_artists: int = N_ARTISTS) -> Workspace:
    """A snapshot and what models read of it: a `summary` of each song, and Spotify's eleven of two songs in three.

    The third song of an artist has a guest, who is another artist of the snapshot.
    """
    workspace = Workspace(root)
    songs = songs_of(n_artists)
    write_snapshot(Snapshot(songs, empty(LEFT_OUT_COLUMNS)), workspace.snapshot)
    spotify_only = params.model_copy(
        update={"representations": {"spotify": params.representations["spotify"]}}
    )
    snapshot = read_snapshot(workspace.snapshot)
    build_features(
        snapshot,
        spotify_only,
        workspace,
        FolderStore(root / "clips"),
        FolderStore(root / "store"),
        n_workers=1,
    )
    write_summary(workspace, songs, summary_of(songs))
    return workspace


def songs_of(n_artists: int) -> pd.DataFrame:
    """Songs with the columns of a snapshot."""
    rng = np.random.default_rng(1)
    rows = []
    for artist in range(n_artists):
        for song in range(SONGS_EACH):
            guest = f" feat. Artist {(artist + 7) % n_artists}" if song == 2 else ""
            track_id = f"song-{artist:02}-{song}"
            row: dict[str, Any] = {
                "track_id": track_id,
                "title": f"Title {song}",
                "artist": f"Artist {artist}{guest}",
                "mood": MOODS[(artist + song) % 4],
                "collections": "mine",
                "clip_sha256": hashlib.sha256(track_id.encode()).hexdigest(),
                "clip_duration_s": 30.0,
            }
            if song != 1:
                row |= dict(zip(SPOTIFY_FEATURES, rng.random(len(SPOTIFY_FEATURES)), strict=True))
            rows.append(row)
    return pd.DataFrame(rows).reindex(columns=list(SONG_COLUMNS)).astype(SONG_COLUMNS)


def empty(columns: dict[str, str]) -> pd.DataFrame:
    """A table without rows."""
    return pd.DataFrame(columns=list(columns)).astype(columns)


def summary_of(songs: pd.DataFrame) -> np.ndarray:
    """Statistics of which the first four depend on the mood, with noise that hides it in some songs."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(len(songs), N_COLUMNS))
    values[:, :4] += 2.0 * np.eye(4)[songs["mood"].map(MOODS.index)]
    return values.astype(np.float32)


def write_summary(workspace: Workspace, songs: pd.DataFrame, values: np.ndarray) -> None:
    """Write a row of statistics for each of the songs."""
    names = [f"statistic_{column}" for column in range(values.shape[1])]
    write_table(workspace, "summary", songs, values, names)


def write_table(
    workspace: Workspace, name: str, songs: pd.DataFrame, values: np.ndarray, names: Sequence[str]
) -> None:
    """Write a representation that is a row for each of the songs."""
    folder = workspace.representation(name)
    folder.mkdir(parents=True, exist_ok=True)
    rows = dict(zip(songs["clip_sha256"], values, strict=True))
    for file, clips in part_files(rows):
        write_part_file(folder / file, {clip: rows[clip] for clip in clips})
    write_csv(songs[["track_id", "clip_sha256"]], folder / MANIFEST)
    write_meta(folder, {"representation": name, "names": list(names), "shape": list(values.shape)})
