"""A CSV file of songs, read and checked row by row."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mer_tasks.domain import ANNOTATIONS, MOODS, SPOTIFY_FEATURES, Mood, Track
from mer_tasks.errors import InputError
from mer_tasks.files import read_regular
from mer_tasks.validation import CONTROL_CHARACTER, Record, csv_records, path_inside, track_id, web_address

REQUIRED = ("track_id", "title", "artist", "mood")
TEXTS = (*REQUIRED, "path", "url")


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that was not taken: the line of the file it starts on, its song if known, and the reason."""

    line: int
    track_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class SongRow:
    """A row that was taken; `numbers` holds its numeric columns, by name."""

    track: Track
    mood: Mood
    numbers: dict[str, float]


@dataclass(frozen=True, slots=True)
class SongFile:
    """What a file holds: its good rows, its bad ones, and the columns that mean nothing here."""

    rows: tuple[SongRow, ...]
    problems: tuple[RowProblem, ...]
    ignored: tuple[str, ...]


def read_songs(file: Path, columns: Mapping[str, str], moods: Mapping[str, str]) -> SongFile:
    """Read a CSV file of songs: `columns` maps our names to the file's, `moods` its moods to ours.

    Raises:
        InputError: the file is not there, not UTF-8, empty, or lacks a column; a bad row is no such case.
    """
    meaning = _meaning(moods)
    header, *records = _records(file)
    names = _names(file, header, columns)
    whole = [record for record in records if len(record.fields) == len(names)]
    problems = [_misshapen(record, len(names)) for record in records if len(record.fields) != len(names)]
    numeric = _numeric(names, [record.fields for record in whole])
    folder = file.parent.resolve()
    rows = []
    for record in whole:
        row = dict(zip(names, record.fields, strict=True))
        try:
            rows.append(_song(row, numeric, meaning, folder))
        except InputError as error:
            problems.append(RowProblem(record.line, row["track_id"].strip() or None, str(error)))
    ignored = [
        theirs or f"column {number}"
        for number, (theirs, ours) in enumerate(zip(header.fields, names, strict=True), start=1)
        if ours not in TEXTS and ours not in numeric
    ]
    return SongFile(tuple(rows), tuple(sorted(problems, key=lambda p: p.line)), tuple(ignored))


def _meaning(moods: Mapping[str, str]) -> dict[str, Mood]:
    """What each way to write a mood means, in lower case."""
    for theirs, ours in moods.items():
        if ours.casefold() not in MOODS:
            raise InputError(f"--moods {theirs}={ours}: {ours} is no mood; known are {', '.join(MOODS)}")
    own = {mood: Mood(mood) for mood in MOODS}
    return own | {theirs.strip().casefold(): Mood(ours.casefold()) for theirs, ours in moods.items()}


def _records(file: Path) -> list[Record]:
    """The file's records, blank ones left out; the first is the header."""
    try:
        text = read_regular(file).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}; name a CSV file of songs") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 (byte {error.start}); save it as CSV in UTF-8") from error
    records = list(csv_records(text))
    if records and records[0].problem:
        raise InputError(f"{file}: line 1: {records[0].problem}")
    if len(records) < 2:
        raise InputError(f"{file}: holds no songs; it needs a line of column names and a line a song")
    return records


def _names(file: Path, header: Record, columns: Mapping[str, str]) -> list[str]:
    """What each column is called here; "" for one whose name `columns` gives to another."""
    ours = {theirs: ours for ours, theirs in columns.items()}
    found = [" ".join(name.split()) for name in header.fields]
    names = [ours.get(name, "" if name in columns else name) for name in found]
    has = f"it has {', '.join(name for name in found if name)}"
    if strangers := sorted(set(columns.values()) - set(found)):
        raise InputError(f"{file}: no column {', '.join(strangers)} as in --columns; {has}")
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise InputError(f"{file}: more than one column {', '.join(twice)}; {has}; rename all but one")
    missing = [name for name in REQUIRED if name not in names]
    if {"path", "url"}.isdisjoint(names) and not set(SPOTIFY_FEATURES) <= set(names):
        missing.append("path or url")
    if missing:
        remedy = " ".join(f"--columns {name.split()[0]}=NAME" for name in missing)
        raise InputError(f"{file}: no column {', '.join(missing)}; {has}; name it with {remedy}")
    return names


def _numeric(names: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """The columns that hold numbers, and what each is called in the catalog."""
    expected = {*SPOTIFY_FEATURES, *ANNOTATIONS}
    numeric = {
        name: name
        for position, name in enumerate(names)
        if name and name not in TEXTS and (name in expected or _all_numbers(row[position] for row in rows))
    }
    is_spotify = set(SPOTIFY_FEATURES) <= set(names)
    annotations = {"arousal"} if is_spotify else set(ANNOTATIONS)
    return numeric | {name: ANNOTATIONS[name] for name in annotations & set(names)}


def _all_numbers(values: Iterator[str]) -> bool:
    given = {value.strip() for value in values} - {""}
    return bool(given) and all(_number(value) is not None for value in given)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _misshapen(record: Record, n_columns: int) -> RowProblem:
    reason = record.problem or f"{len(record.fields)} fields instead of {n_columns}"
    return RowProblem(record.line, None, reason)


def _song(
    row: Mapping[str, str], numeric: Mapping[str, str], meaning: Mapping[str, Mood], folder: Path
) -> SongRow:
    """The song in a row, by our column names; an InputError is the reason not to take it."""
    texts = {name: _text(name, row.get(name, "")) for name in TEXTS}
    for name in ("title", "artist"):
        if not texts[name]:
            raise InputError(f"{name} is empty")
    if (mood := meaning.get(texts["mood"].casefold())) is None:
        raise InputError(f"mood {texts['mood']!r} is none of {', '.join(MOODS)}; map it with --moods")
    track = Track(
        track_id(texts["track_id"]),
        texts["title"],
        texts["artist"],
        path_inside(texts["path"], folder) if texts["path"] else None,
        web_address(texts["url"]) if texts["url"] else None,
    )
    numbers = _numbers(row, numeric)
    if not (track.path or track.url or set(SPOTIFY_FEATURES) <= numbers.keys()):
        raise InputError("no path, no url and not all of Spotify's features")
    return SongRow(track, mood, numbers)


def _text(name: str, value: str) -> str:
    if CONTROL_CHARACTER.search(value):
        raise InputError(f"{name} {value!r} holds a control character")
    return value.strip()


def _numbers(row: Mapping[str, str], numeric: Mapping[str, str]) -> dict[str, float]:
    numbers = {}
    for name, stored in numeric.items():
        if value := row[name].strip():
            if (number := _number(value)) is None:
                raise InputError(f"{name} {value!r} is not a number")
            numbers[stored] = number
    return numbers
