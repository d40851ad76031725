"""The CSV of many songs' moods, which grows by whole songs: a run that was ended goes on where it stood."""

import csv
import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from mer_tasks.domain import MOODS
from mer_tasks.errors import InputError
from mer_tasks.files import naming_full, replacing
from mer_tasks.prediction.asking import Answer
from mer_tasks.text import printable

COLUMNS = (
    "file",
    "start_s",
    "end_s",
    "mood",
    "confidence",
    *MOODS,
    "valence",
    "arousal",
    "why",
    "version",
    "error",
)
"""Without `start_s` a row is about a whole song; those of its windows stand before it."""

Row = dict[str, str]


def song_name(name: str) -> str:
    """How a song is called in the table: a file by its whole path, so that it is the same song from everywhere."""
    return printable(name if "://" in name else os.path.abspath(name))  # noqa: PTH100 - links are left as they are


def read_rows(path: Path) -> list[Row]:
    """The rows of a table; what a run that was ended left of its last one is none.

    Raises:
        InputError: it cannot be read, or is no such table.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror}; write it with mer predict FOLDER --csv {path}"
        ) from error
    text = content[: content.rfind(b"\n") + 1].decode("utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if content and tuple(reader.fieldnames or ()) != COLUMNS:
        raise InputError(f"{path}: not a table of mer predict --csv; give another name")
    return [row for row in reader if None not in row.values() and None not in row]


class MoodTable:
    """A table that is written to; `answered` are the songs that it has an answer for."""

    def __init__(self, file: IO[bytes], answered: frozenset[str], version: str) -> None:
        self._file, self.answered, self._version = file, answered, version

    def add(self, answer: Answer) -> None:
        """Write a song's rows, in one go."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        for one in (*answer.timeline, answer):
            writer.writerow(self._row(replace(one, name=answer.name)))
        with naming_full(Path(self._file.name)):
            self._file.write(text.getvalue().encode())
            self._file.flush()

    def _row(self, answer: Answer) -> Row:
        row = {"file": song_name(answer.name), "version": self._version, "error": printable(answer.error)}
        row |= {name: f"{at:g}" for name in ("start_s", "end_s") if (at := getattr(answer, name)) is not None}
        if mood := answer.mood:
            numbers = {"confidence": mood.confidence, "valence": mood.valence, "arousal": mood.arousal}
            row |= {name: f"{number:.4f}" for name, number in (numbers | {**mood.probabilities}).items()}
            row |= {"mood": mood.mood, "why": "; ".join(f"{tag} {p:.2f}" for tag, p in mood.why.items())}
        return row


@contextmanager
def open_table(path: Path, version: str, with_timeline: bool) -> Iterator[MoodTable]:
    """A table to go on with, or a new one. Songs without an answer in it, or without a timeline, are asked again.

    Raises:
        InputError: it cannot be written, is no such table, has another version's answers, or is in use.
    """
    try:
        path.touch()
        with path.open("rb") as old:
            _lock(old, path)
            rows = _answered_rows(read_rows(path), path, version, with_timeline)
            _write_rows(path, rows)
            with path.open("ab") as file:
                _lock(file, path)
                yield MoodTable(file, frozenset(row["file"] for row in rows), version)
    except PermissionError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}; give another --csv") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        if error.filename == str(path):
            raise InputError(f"{path}: cannot be written: {error.strerror}; give another --csv") from error
        raise


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(f"{path}: another mer predict writes it; wait, or give another --csv") from error


def _answered_rows(rows: list[Row], path: Path, version: str, with_timeline: bool) -> list[Row]:
    others = sorted({row["version"] for row in rows} - {version})
    if others:
        raise InputError(
            f"{path}: has answers of {others[0]}, the model is {version} now; give another --csv, or delete it"
        )
    done = {row["file"] for row in rows if row["mood"] and not row["start_s"]}
    if with_timeline:
        done &= {row["file"] for row in rows if row["start_s"]}
    return [row for row in rows if row["file"] in done]


def _write_rows(path: Path, rows: list[Row]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
