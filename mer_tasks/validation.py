"""The rules for every list of songs, wherever it comes from: ids, paths, addresses, CSV."""

import csv
import io
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from mer_tasks.domain import normalised
from mer_tasks.errors import InputError
from mer_tasks.text import without_passwords

LONGEST_ID = 200
"""Characters of a track's id: as many as the catalog's column takes."""

COLLECTION_NAME = re.compile(r"\w[\w.-]{0,99}")
PERSON_NAME = re.compile(r"\w(?:[\w .@'+-]{0,98}[\w.])?")
CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Record(NamedTuple):
    """A record of a CSV file, the line it starts on, and what is wrong with it as CSV."""

    line: int
    fields: list[str]
    problem: str = ""


DELIMITERS = ",;\t"
"""What may stand between the columns of a file: the one that gives most of the column names that are known."""

ONE_COLUMN = "it has one column; put commas, semicolons or tabs between the columns"


def csv_records(text: str, known: Collection[str]) -> Iterator[Record]:
    """The records of a CSV file, blank ones left out; the first is its header, in which `known` names are looked for."""
    delimiter = max(DELIMITERS, key=lambda one: len(_column_names(text, one) & set(known)))
    return _records(text, delimiter)


def _column_names(text: str, delimiter: str) -> set[str]:
    header = next(_records(text, delimiter), Record(1, []))
    return {" ".join(name.split()) for name in header.fields}


def _records(text: str, delimiter: str) -> Iterator[Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines = f"lines {line} to {reader.line_num}: " if reader.line_num > line else ""
            yield Record(line, [], f"{lines}not CSV: {error}; check the quotes")
        else:
            if any(fields):
                yield Record(line, fields)


def track_id(text: str) -> str:
    """A song's id; Spotify's URI of a track stands for the id in it.

    Raises:
        InputError: it is empty or too long.
    """
    found = text.removeprefix("spotify:track:")
    if not found:
        raise InputError("track_id is empty")
    if len(found) > LONGEST_ID:
        raise InputError(f"track_id is longer than {LONGEST_ID} characters")
    return found


def collection_name(text: str) -> str:
    """The name of a collection of songs; a chart's name is one too.

    Raises:
        InputError: it is too long, or has something else in it than letters, digits, _, - and the dot.
    """
    if not COLLECTION_NAME.fullmatch(text):
        raise InputError(f"{text!r}: a name has letters, digits, _, - and . only, up to 100")
    return text


def person_name(text: str) -> str:
    """The name that a person's labels are known by, the same in any case, width and spacing.

    Raises:
        InputError: it is empty, too long, or has something else in it than letters, digits, spaces and . _ @ ' + -.
    """
    if not (name := normalised(text)):
        raise InputError("by is empty; say who gives the label, with --by NAME or the column by")
    if not PERSON_NAME.fullmatch(name):
        raise InputError(f"by {text!r}: a name has letters, digits, spaces and . _ @ ' + - only, up to 100")
    return name


def path_inside(text: str, folder: Path) -> str:
    """The real path of a song, which must lie in `folder`, itself a real path, whatever links lead there.

    Raises:
        InputError: it does not, or there is no such file.
    """
    try:
        path = (folder / text).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: circular links; ValueError: a null
        raise InputError(f"path {text!r}: no such file") from error
    if not path.is_relative_to(folder):
        raise InputError(f"path {text!r} leads out of the file's folder")
    if not path.is_file():
        raise InputError(f"path {text!r} is not a file")
    return str(path)


def web_address(text: str) -> str:
    """An http or https address.

    Raises:
        InputError: it is none.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port  # which is only checked when asked for
    except ValueError as error:
        reason = error if "@" not in text else "check its host and port"  # it may repeat a part of a password
        raise InputError(f"url {without_passwords(text)!r} is no address: {reason}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or CONTROL_CHARACTER.search(text):
        raise InputError(f"url {without_passwords(text)!r} is no http or https address")
    return text


YOUTUBE = ("youtube.com", "youtu.be", "youtube-nocookie.com")


def is_video(url: str) -> bool:
    """Whether an address is a video's on YouTube."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return any(host == known or host.endswith(f".{known}") for known in YOUTUBE)
