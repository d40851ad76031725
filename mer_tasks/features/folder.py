"""The folder of a representation in a data set: which files it has, and their bytes.

`meta.json` holds what the values are and depend on; `manifest.csv` a song and its clip's SHA-256 a row. A table's
values lie in `parts/`, a file for all clips whose hash begins alike: of a growing data set few of them change. A
representation that comes with the songs has `values.csv` instead.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

META, MANIFEST, PARTS, VALUES, LEFT_OUT = "meta.json", "manifest.csv", "parts", "values.csv", "left_out.csv"

ALIKE = 3
"""Hexadecimal digits of its hash that a clip shares with the others of its file: 4096 files at most."""


def part_files(clips: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """The names of the files that hold these clips, in order, and the clips of each, in order."""
    for digits, alike in groupby(sorted(set(clips)), key=lambda sha256: sha256[:ALIKE]):
        yield f"{PARTS}/{digits}.npz", list(alike)


def write_part_file(path: Path, rows: Mapping[str, np.ndarray]) -> None:
    """Write rows, float32 of shape (n,), by their clips' hashes; the same rows give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clips = sorted(rows)
    with path.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            clips=np.array(clips, "S64"),
            values=np.stack([rows[clip] for clip in clips]),
        )


def read_part_file(path: Path) -> tuple[list[str], np.ndarray]:
    """The clips' hashes, and their rows, float32 of shape (clips, n).

    Raises:
        OSError, ValueError, KeyError, zipfile.BadZipFile: it is not there or damaged.
    """
    with np.load(path) as stored:
        return [clip.decode() for clip in stored["clips"]], stored["values"]


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table with shortest decimals."""
    table.to_csv(path, index=False, lineterminator="\n")


def read_csv(path: Path) -> pd.DataFrame:
    """A table of songs; a song may be called "null"."""
    text = {"track_id": "str", "clip_sha256": "str", "reason": "str"}
    return pd.read_csv(path, dtype=text, keep_default_na=False, float_precision="round_trip")


def write_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write `meta.json`."""
    (folder / META).write_text(json.dumps(meta, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_meta(folder: Path) -> dict[str, Any]:
    """What `meta.json` holds.

    Raises:
        OSError, ValueError: it is not there, or no JSON.
    """
    meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
    return meta
