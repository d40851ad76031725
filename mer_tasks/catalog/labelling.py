"""Labels that people give songs: they outrank files and charts, and are only ever added."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, insert, select

from mer_tasks.catalog.database import Catalog, patiently
from mer_tasks.catalog.reading import in_parts, newest
from mer_tasks.catalog.recording import moment_of
from mer_tasks.catalog.schema import labels, tracks
from mer_tasks.catalog.song_file import RowProblem, misshapen, one_line, table_records
from mer_tasks.domain import MOODS, LabelKind
from mer_tasks.errors import InputError
from mer_tasks.validation import person_name, track_id

WITHDRAWN = "none"
"""The mood that takes a person's label back."""

COLUMNS = ("track_id", "mood", "by")
LONGEST_NOTE = 1000


@dataclass(frozen=True, slots=True)
class Label:
    """A mood that a person gives a song, or None to take an earlier one back; `line` is that of a file, else 0."""

    track_id: str
    mood: str | None
    by: str
    note: str | None = None
    line: int = 0

    @property
    def source(self) -> str:
        """The source of this person's labels."""
        return f"{LabelKind.PERSON}:{self.by}"


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What came of labels: how many were new, and the same as before; further rows of one person on one song.

    `problems` are those not taken. `disagreements` has, by track_id, who now gives it which mood where people differ.
    """

    new: int
    unchanged: int
    repeated: int
    problems: tuple[RowProblem, ...]
    disagreements: Mapping[str, str]


def label_of(song: str, mood: str, by: str, note: str = "", line: int = 0) -> Label:
    """A label as a person writes it, checked.

    Raises:
        InputError: the id, mood, name or note breaks a rule.
    """
    found = one_line("mood", mood).casefold()
    if found not in (*MOODS, WITHDRAWN):
        raise InputError(f"mood {mood!r} is none of {', '.join(MOODS)}; {WITHDRAWN} takes a label back")
    reason = one_line("note", note)
    if len(reason) > LONGEST_NOTE:
        raise InputError(f"note is longer than {LONGEST_NOTE} characters")
    return Label(
        track_id(one_line("track_id", song)),
        None if found == WITHDRAWN else found,
        person_name(one_line("by", by)),
        reason or None,
        line,
    )


def read_labels(file: Path) -> tuple[list[Label], list[RowProblem]]:
    """Read a CSV file of labels with the columns track_id, mood, by and perhaps note; and its bad rows.

    Raises:
        InputError: the file is not there, not UTF-8, empty, or lacks a column; a bad row is no such case.
    """
    header, *records = table_records(file, "labels", (*COLUMNS, "note"))
    names = [" ".join(name.split()) for name in header.fields]
    if missing := [name for name in COLUMNS if names.count(name) != 1]:
        raise InputError(
            f"{file}: needs one column {', '.join(missing)}; it has {', '.join(names)}; columns are"
            f" {', '.join(COLUMNS)} and note"
        )
    found: list[Label] = []
    problems: list[RowProblem] = []
    for record in records:
        if len(record.fields) != len(names):
            problems.append(misshapen(record, len(names)))
            continue
        row = dict(zip(names, record.fields, strict=True))
        try:
            note = row.get("note", "")
            found.append(label_of(row["track_id"], row["mood"], row["by"], note, record.line))
        except InputError as error:
            problems.append(RowProblem(record.line, row["track_id"].strip() or None, str(error)))
    return found, problems


@patiently
def add_labels(catalog: Catalog, given: Sequence[Label], now: datetime | None = None) -> LabelReport:
    """Add what is new in people's labels, in one transaction; of one person's on one song the last counts.

    A label of a song that the catalog does not know, or that takes back what was never given, is a problem.
    """
    last = {(label.track_id, label.source): label for label in given}
    songs = {label.track_id for label in last.values()}
    rows, problems = list[dict[str, object]](), list[RowProblem]()
    with catalog.transaction() as connection:
        known = _known_songs(connection, songs)
        before = newest(connection, labels, "source", labels.c.kind == LabelKind.PERSON, only=songs)
        moments = {
            source: moment_of(connection, source, now or datetime.now(UTC))
            for source in {key[1] for key in last}
        }
        for key, label in last.items():
            earlier = before.get(key, [None])[-1]
            if label.track_id not in known:
                problem = "no such song in the catalog; bring it in with mer import, or correct the track_id"
            elif label.mood is None and earlier is None:
                problem = f"{label.by} has given it no mood that could be taken back"
            else:
                if earlier is None or (earlier.mood, earlier.note) != (label.mood, label.note):
                    rows.append(_row(label, moments[label.source]))
                continue
            problems.append(RowProblem(label.line, label.track_id, problem))
        if rows:
            connection.execute(insert(labels), rows)
        disagreements = _disagreements(connection, songs)
    return LabelReport(
        new=len(rows),
        unchanged=len(last) - len(rows) - len(problems),
        repeated=len(given) - len(last),
        problems=tuple(problems),
        disagreements=disagreements,
    )


def labels_by(catalog: Catalog, by: str) -> dict[str, str]:
    """The moods that a person gives songs now, by track_id.

    Raises:
        InputError: the name breaks a rule.
    """
    source = f"{LabelKind.PERSON}:{person_name(by)}"
    with catalog.reading() as connection:
        found = newest(connection, labels, "source", labels.c.source == source)
    return {song: rows[-1].mood for (song, _), rows in found.items() if rows[-1].mood is not None}


def _known_songs(connection: Connection, songs: Collection[str]) -> set[str]:
    known: set[str] = set()
    for part in in_parts(songs):
        known.update(connection.scalars(select(tracks.c.track_id).where(tracks.c.track_id.in_(part))))
    return known


def _row(label: Label, at: datetime) -> dict[str, object]:
    return {
        "track_id": label.track_id,
        "mood": label.mood,
        "kind": LabelKind.PERSON,
        "source": label.source,
        "note": label.note,
        "observed_at": at,
    }


def _disagreements(connection: Connection, songs: Collection[str]) -> dict[str, str]:
    """Who gives which mood to those of some songs that people give more than one."""
    given: dict[str, list[tuple[str, str]]] = {}
    found = newest(connection, labels, "source", labels.c.kind == LabelKind.PERSON, only=songs)
    for (song, source), (*_, row) in found.items():
        if row.mood is not None:
            given.setdefault(song, []).append((row.mood, source.partition(":")[2]))
    return {
        song: ", ".join(f"{mood} ({by})" for mood, by in sorted(claims))
        for song, claims in sorted(given.items())
        if len({mood for mood, _ in claims}) > 1
    }
