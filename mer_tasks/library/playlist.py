"""Playlists from a table of moods: the songs of one mood, or a path over the plane of valence and arousal."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mutagen

from mer_tasks.domain import QUADRANT
from mer_tasks.errors import InputError
from mer_tasks.files import open_regular, replacing
from mer_tasks.prediction.table import read_rows
from mer_tasks.text import on_one_line

CENTRE = 0.5
"""Valence and arousal of the middle of a mood's quadrant, but for their signs."""


@dataclass(frozen=True)
class Entry:
    """A song of a table: its mood, how sure that is, its point on the plane, its length, what players show."""

    path: Path
    mood: str
    confidence: float
    valence: float
    arousal: float
    duration_s: float
    shown: str


def read_entries(table: Path) -> tuple[list[Entry], list[str]]:
    """The songs of a table of `mer predict --csv` that are files here, and why others are left out.

    Raises:
        InputError: it cannot be read, or is no such table.
    """
    entries, problems = [], []
    for row in read_rows(table):
        if row["start_s"] or not row["mood"]:
            continue
        try:
            entries.append(_entry(row))
        except (InputError, ValueError) as error:
            problems.append(f"{row['file']}: left out: {error}")
    return entries, problems


def _entry(row: dict[str, str]) -> Entry:
    path = Path(row["file"])
    if "://" in row["file"]:
        raise InputError("is at an address")
    try:
        open_regular(path).close()
        found = mutagen.File(path, easy=True)
    except OSError as error:
        raise InputError(f"cannot be opened: {error.strerror}") from error
    except mutagen.MutagenError as error:
        raise InputError(f"its length cannot be read ({on_one_line(str(error), 100)})") from error
    if found is None or found.info is None:
        raise InputError("its length cannot be read")
    tags = found.tags or {}
    names = [str(tags[key][0]) for key in ("artist", "title") if tags.get(key)]
    confidence, valence, arousal = (float(row[name]) for name in ("confidence", "valence", "arousal"))
    shown = on_one_line(" - ".join(names) or path.stem)
    return Entry(path, row["mood"], confidence, valence, arousal, float(found.info.length), shown)


def of_mood(entries: Iterable[Entry], mood: str, minutes: float | None) -> list[Entry]:
    """The songs of a mood, the surest first, of `minutes` at most."""
    chosen, left_s = [], math.inf if minutes is None else 60 * minutes
    for entry in sorted((e for e in entries if e.mood == mood), key=lambda e: (-e.confidence, e.path)):
        if entry.duration_s <= left_s:
            chosen.append(entry)
            left_s -= entry.duration_s
    return chosen


def along(entries: Iterable[Entry], start: str, end: str, minutes: float) -> list[Entry]:
    """Songs of about `minutes` in all, along a straight line between the middles of two moods' quadrants.

    At each moment the song that is nearest to the line's point of that moment comes next, each song once.
    """
    remaining, chosen, elapsed_s, total_s = list(entries), list[Entry](), 0.0, 60 * minutes
    while remaining and elapsed_s < total_s:
        middle = min(1.0, (elapsed_s + _mean_length(remaining) / 2) / total_s)
        points = [(1 - middle) * a + middle * b for a, b in zip(QUADRANT[start], QUADRANT[end], strict=True)]
        valence, arousal = (CENTRE * point for point in points)
        best = min(remaining, key=lambda e: (math.hypot(e.valence - valence, e.arousal - arousal), e.path))
        remaining.remove(best)
        chosen.append(best)
        elapsed_s += best.duration_s
    return chosen


def _mean_length(entries: Sequence[Entry]) -> float:
    return sum(entry.duration_s for entry in entries) / len(entries)


def write_playlist(entries: Sequence[Entry], path: Path) -> None:
    """Write an M3U playlist in UTF-8; songs below its folder by their path from there, others by their whole path.

    Raises:
        InputError: it cannot be written.
    """
    lines = ["#EXTM3U"]
    for entry in entries:
        lines += [
            f"#EXTINF:{round(entry.duration_s)},{entry.shown}",
            _place(entry.path, path.absolute().parent),
        ]
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(os.fsencode("\n".join([*lines, ""])))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}; give another --out") from error


def _place(song: Path, folder: Path) -> str:
    place = str(song.relative_to(folder)) if song.is_relative_to(folder) else str(song)
    return f"./{place}" if place.startswith("#") else place  # else it would be a comment
