"""What a source states of songs, added to the catalog where it has changed."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from mer_tasks.catalog.queue import enqueue
from mer_tasks.catalog.reading import in_parts, newest, songs_anywhere
from mer_tasks.catalog.schema import items, labels, measurements, tracks
from mer_tasks.domain import LabelKind, Track


@dataclass(frozen=True, slots=True)
class Statement:
    """What a source states of one song: its name and audio, its moods, and numbers by name."""

    track: Track
    moods: frozenset[str] = frozenset()
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatementCounts:
    """How many songs a source named for the first time, stated something new of, and the same as before."""

    new: int
    changed: int
    unchanged: int


NO_STATEMENT = Statement(Track("", "", ""))


def record_statements(
    connection: Connection,
    collection: str,
    kind: LabelKind,
    statements: Mapping[str, Statement],
    now: datetime,
) -> StatementCounts:
    """Append what has changed in the statements, by track_id, of the source `kind:collection`.

    A song whose audio has moved to another address, or that is new to the catalog, is due for a clip.
    """
    source = f"{kind}:{collection}"
    before = _statements_before(connection, collection, source, statements)
    at = moment_of(connection, source, now)
    _add_tracks(connection, statements, at)
    locations = _locations(connection, statements)
    stamp = {"source": source, "observed_at": at}
    for table, rows in _changes(collection, kind, statements, before, stamp).items():
        if rows:
            connection.execute(insert(table), rows)
    songs = songs_anywhere(connection, statements).values()
    enqueue(connection, [song for song in songs if locations.get(song.track_id) != _location_of(song)], now)
    changed = sum(_is_change(statements[song], before[song]) for song in before)
    new = len(statements) - len(before)
    return StatementCounts(new, changed, len(statements) - new - changed)


def _statements_before(
    connection: Connection, collection: str, source: str, songs: Collection[str]
) -> dict[str, Statement]:
    """The source's last statement of each of some songs, by track_id."""
    listed = newest(connection, items, "collection", items.c.collection == collection, only=songs)
    labelled = newest(connection, labels, "source", labels.c.source == source, only=songs)
    measured = newest(connection, measurements, "source", measurements.c.source == source, only=songs)
    return {
        row.track_id: Statement(
            Track(*(getattr(row, column.name) for column in fields(Track))),
            frozenset(label.mood for label in labelled.get((row.track_id, source), [])),
            next((given.numbers for given in measured.get((row.track_id, source), [])), {}),
        )
        for row in (rows[-1] for rows in listed.values())
    }


def moment_of(connection: Connection, source: str, now: datetime) -> datetime:
    """`now`, or just after the source's last statement.

    One moment is one observation, so a clock that was set back must not give an old moment again.
    """
    last = connection.scalar(select(func.max(labels.c.observed_at)).where(labels.c.source == source))
    return max(now, last + timedelta(microseconds=1)) if last else now


def _add_tracks(connection: Connection, songs: Collection[str], at: datetime) -> None:
    known: set[str] = set()
    for part in in_parts(songs):
        known.update(connection.scalars(select(tracks.c.track_id).where(tracks.c.track_id.in_(part))))
    if new := [{"track_id": song, "first_seen_at": at} for song in songs if song not in known]:
        connection.execute(insert(tracks), new)


Location = tuple[str | None, str | None, bool]


def _locations(connection: Connection, songs: Collection[str]) -> dict[str, Location]:
    """Where the audio of each of some songs is, as far as any source has stated it."""
    return {song.track_id: _location_of(song) for song in songs_anywhere(connection, songs).values()}


def _location_of(song: Track) -> Location:
    """What decides whether a song is to be fetched anew."""
    return song.path, song.url, song.may_fetch


def _is_change(new: Statement, old: Statement) -> bool:
    """Whether a statement differs from the one before; one without a mood withdraws none."""
    return (new.track, new.moods or old.moods, new.numbers) != (old.track, old.moods, old.numbers)


def _changes(
    collection: str,
    kind: LabelKind,
    statements: Mapping[str, Statement],
    before: Mapping[str, Statement],
    stamp: dict[str, Any],
) -> dict[Table, list[dict[str, Any]]]:
    """The rows to add, by table; `stamp` holds their source and moment."""
    pairs = [(track_id, new, before.get(track_id, NO_STATEMENT)) for track_id, new in statements.items()]
    return {
        items: [
            asdict(new.track) | {"collection": collection, "observed_at": stamp["observed_at"]}
            for _, new, old in pairs
            if new.track != old.track
        ],
        labels: [
            {"track_id": track_id, "mood": mood, "kind": kind} | stamp
            for track_id, new, old in pairs
            if new.moods != old.moods
            for mood in sorted(new.moods)
        ],
        measurements: [
            {"track_id": track_id, "numbers": dict(new.numbers)} | stamp
            for track_id, new, old in pairs
            if new.numbers != old.numbers
        ],
    }
