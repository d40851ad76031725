"""A data set's files: the songs, with all that models need, and the songs left out.

Training needs this module only, and nothing of the database that a data set comes from.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mer_tasks.domain import ANNOTATIONS, SPOTIFY_FEATURES
from mer_tasks.errors import InputError
from mer_tasks.files import write_text

SEPARATOR = "|"
"""Between the names of a song's collections; no name has it in it."""

CLIP_COLUMNS = {
    "sha256": "str",
    "start_s": "float64",
    "duration_s": "float64",
    "sr": "Int64",
    "channels": "Int64",
    "loudness_lufs": "float64",
}
NUMBERS = (*SPOTIFY_FEATURES, *ANNOTATIONS.values())
SONG_COLUMNS = {
    **dict.fromkeys(("track_id", "title", "artist", "mood", "collections"), "str"),
    **{f"clip_{name}": dtype for name, dtype in CLIP_COLUMNS.items()},
    **dict.fromkeys(NUMBERS, "float64"),
}
LEFT_OUT_COLUMNS = dict.fromkeys(("track_id", "title", "artist", "mood", "reason"), "str")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A data set: `songs` with `SONG_COLUMNS`, `left_out` with `LEFT_OUT_COLUMNS`, both by `track_id`."""

    songs: pd.DataFrame
    left_out: pd.DataFrame

    @property
    def identity(self) -> str:
        """The SHA-256 of the songs as CSV: the same identity is the same data."""
        return hashlib.sha256(_csv(self.songs).encode()).hexdigest()


def write_snapshot(snapshot: Snapshot, folder: Path) -> None:
    """Write `songs.csv` and `left_out.csv` into `folder`."""
    write_text(folder / "left_out.csv", _csv(snapshot.left_out))
    write_text(folder / "songs.csv", _csv(snapshot.songs))


def read_snapshot(folder: Path) -> Snapshot:
    """The snapshot that `write_snapshot` wrote into `folder`.

    Raises:
        InputError: there is none, or it is not what `write_snapshot` wrote.
    """
    songs = _read_frame(folder / "songs.csv", SONG_COLUMNS)
    return Snapshot(songs, _read_frame(folder / "left_out.csv", LEFT_OUT_COLUMNS))


def _csv(frame: pd.DataFrame) -> str:
    """The frame as CSV; pandas writes the shortest decimals that give a float64 back exactly."""
    return frame.to_csv(index=False, lineterminator="\n")


def _read_frame(file: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    if not file.is_file():
        raise InputError(f"{file}: no such file; run mer snapshot")
    try:
        # a song may be called "null", so nothing but an empty field is missing
        frame = pd.read_csv(
            file, dtype=dict(columns), keep_default_na=False, na_values=[""], float_precision="round_trip"
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {' '.join(str(error).split())}; run mer snapshot again") from error
    if list(frame.columns) != list(columns):
        raise InputError(f"{file}: not a snapshot's columns; run mer snapshot again")
    return frame
