"""Songs with their moods from a file into the catalog."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.reading import newest
from mer_tasks.catalog.schema import items, labels, measurements, tracks
from mer_tasks.catalog.song_file import RowProblem, SongRow, read_songs
from mer_tasks.domain import InputError, LabelKind, Track

COLLECTION_NAME = re.compile(r"\w[\w.-]{0,99}")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: songs new to the collection, changed and unchanged; further rows of the same song.

    `problems` are the rows that were not taken, `ignored` the columns that mean nothing here.
    """

    new: int
    changed: int
    unchanged: int
    repeated: int
    problems: tuple[RowProblem, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Said:
    """What a file says of one song, all its rows taken together."""

    track: Track
    moods: frozenset[str]
    numbers: Mapping[str, float]


NOTHING = _Said(Track("", "", ""), frozenset(), {})


def import_songs(
    catalog: Catalog,
    file: Path,
    collection: str,
    *,
    columns: Mapping[str, str] = {},
    moods: Mapping[str, str] = {},
    now: datetime | None = None,
) -> ImportReport:
    """Add the songs of a CSV file to a collection, in one transaction; what is known already adds nothing.

    `columns` gives the file's column for a name of ours ({"title": "track"}), `moods` the mood
    for a value of the file ({"0": "sad"}). Bad rows are reported and left out.

    Raises:
        InputError: the collection's name, the file or its columns are not usable.
    """
    if not COLLECTION_NAME.fullmatch(collection):
        raise InputError(f"collection {collection!r}: a name has letters, digits, _, - and . only, up to 100")
    songs = read_songs(file, columns, moods)
    said = _by_song(songs.rows)
    with catalog.transaction() as connection:
        before = _said_before(connection, collection)
        _record(connection, collection, said, before, now or datetime.now(UTC))
    changed = sum(before[song] != said[song] for song in said.keys() & before.keys())
    new = len(said.keys() - before.keys())
    return ImportReport(
        new=new,
        changed=changed,
        unchanged=len(said) - new - changed,
        repeated=len(songs.rows) - len(said),
        problems=songs.problems,
        ignored=songs.ignored,
    )


def said_by_file(collection: str) -> str:
    """Who speaks when a file does: all files of one collection are one voice, so a newer one corrects."""
    return f"file:{collection}"


def _by_song(rows: tuple[SongRow, ...]) -> dict[str, _Said]:
    """What the file says of each song: every mood, and of the rest the last row's."""
    said: dict[str, _Said] = {}
    for row in rows:
        earlier = said.get(row.track.track_id, NOTHING)
        said[row.track.track_id] = _Said(row.track, earlier.moods | {str(row.mood)}, row.numbers)
    return said


def _said_before(connection: Connection, collection: str) -> dict[str, _Said]:
    """What the collection's files last said of each song."""
    voice = said_by_file(collection)
    listed = newest(connection, items, "collection", items.c.collection == collection)
    spoken = newest(connection, labels, "said_by", labels.c.said_by == voice)
    measured = newest(connection, measurements, "said_by", measurements.c.said_by == voice)
    return {
        row.track_id: _Said(
            Track(row.track_id, row.title, row.artist, row.path, row.url),
            frozenset(label.mood for label in spoken.get((row.track_id, voice), [])),
            next((given.numbers for given in measured.get((row.track_id, voice), [])), {}),
        )
        for row in (rows[-1] for rows in listed.values())
    }


def _record(
    connection: Connection, collection: str, said: dict[str, _Said], before: dict[str, _Said], now: datetime
) -> None:
    """Append what is new in what a file says."""
    voice = said_by_file(collection)
    last = connection.scalar(select(func.max(labels.c.observed_at)).where(labels.c.said_by == voice))
    # one moment is one observation, so a clock that was set back must not give an old moment again
    at = max(now, last + timedelta(microseconds=1)) if last else now
    stamp = {"said_by": voice, "observed_at": at}
    known = set(connection.scalars(select(tracks.c.track_id)))
    pairs = [(track_id, new, before.get(track_id, NOTHING)) for track_id, new in said.items()]
    rows: dict[Table, list[dict[str, Any]]] = {
        tracks: [{"track_id": t, "first_seen_at": at} for t in said if t not in known],
        items: [
            asdict(new.track) | {"collection": collection, "observed_at": at}
            for _, new, old in pairs
            if new.track != old.track
        ],
        labels: [
            {"track_id": t, "mood": mood, "kind": LabelKind.FILE} | stamp
            for t, new, old in pairs
            if new.moods != old.moods
            for mood in sorted(new.moods)
        ],
        measurements: [
            {"track_id": t, "numbers": new.numbers} | stamp
            for t, new, old in pairs
            if new.numbers != old.numbers
        ],
    }
    for table, added in rows.items():
        if added:
            connection.execute(insert(table), added)
