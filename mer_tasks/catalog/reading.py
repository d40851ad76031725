"""What the catalog knows now, or knew then: the newest of what each speaker said."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from mer_tasks.catalog.schema import items
from mer_tasks.domain import InputError, Track

Statements = dict[tuple[str, str], list[Row[Any]]]


def newest(connection: Connection, table: Table, speaker: str, *where: ColumnElement[bool]) -> Statements:
    """What each speaker last said of each song: the rows of that observation, by (track_id, speaker).

    `speaker` names the column that says who observed. An observation has more than one row where,
    say, a file gives one song two moods.
    """
    said: Statements = {}
    for row in connection.execute(select(table).where(*where).order_by(table.c.id)):
        rows = said.setdefault((row.track_id, getattr(row, speaker)), [])
        if rows and rows[0].observed_at != row.observed_at:
            rows.clear()
        rows.append(row)
    return said


def songs_in(
    connection: Connection, collections: Collection[str], *where: ColumnElement[bool]
) -> dict[str, Track]:
    """The songs of some collections by id, in its order: the newest name, the newest place of the audio.

    Raises:
        InputError: a collection holds no song.
    """
    found = newest(connection, items, "collection", items.c.collection.in_(collections), *where)
    rows = [rows[-1] for rows in found.values()]
    if missing := sorted(set(collections) - {row.collection for row in rows}):
        raise InputError(f"collection {', '.join(missing)}: holds no songs; {_remedy(connection, *where)}")
    songs: dict[str, Track] = {}
    for row in sorted(rows, key=lambda row: row.id):
        place = row if row.path or row.url else songs.get(row.track_id, row)
        songs[row.track_id] = Track(row.track_id, row.title, row.artist, place.path, place.url)
    return dict(sorted(songs.items()))


def _remedy(connection: Connection, *where: ColumnElement[bool]) -> str:
    known = sorted(connection.scalars(select(items.c.collection).where(*where).distinct()))
    filled = f"the catalog has {', '.join(known)}" if known else "the catalog has none"
    return f"{filled}; fill one with mer import FILE --collection NAME"
