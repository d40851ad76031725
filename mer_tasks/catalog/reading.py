"""What the catalog knows now, or knew then: the newest observation of each source."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, Table, or_, select

from mer_tasks.catalog.schema import clips, items
from mer_tasks.domain import Track
from mer_tasks.errors import InputError

Observations = dict[tuple[str, str], list[Row[Any]]]


PART = 10_000
"""As many ids at most in one query: SQLite takes 32,766 values."""


def in_parts(ids: Iterable[str]) -> Iterator[list[str]]:
    """Ids in lists that fit into a query each."""
    remaining = iter(ids)
    while part := list(islice(remaining, PART)):
        yield part


def newest(
    connection: Connection,
    table: Table,
    source: str,
    *where: ColumnElement[bool],
    only: Collection[str] | None = None,
) -> Observations:
    """Each source's newest observation of each song, or of `only` some: its rows, by (track_id, source).

    `source` names the column of the source. An observation has more than one row where, for example, a
    file gives one song two moods.
    """
    observations: Observations = {}
    for row in _rows(connection, select(table).where(*where).order_by(table.c.id), table, only):
        rows = observations.setdefault((row.track_id, getattr(row, source)), [])
        if rows and rows[0].observed_at != row.observed_at:
            rows.clear()
        rows.append(row)
    return observations


def _rows(
    connection: Connection, query: Select[Any], table: Table, only: Collection[str] | None
) -> Iterator[Row[Any]]:
    if only is None:
        yield from connection.execute(query)
    else:
        for part in in_parts(only):
            yield from connection.execute(query.where(table.c.track_id.in_(part)))


def songs_in(
    connection: Connection,
    collections: Collection[str],
    *where: ColumnElement[bool],
    only: Collection[str] | None = None,
) -> dict[str, Track]:
    """The songs of some collections by id, in its order: the newest name, the newest place of the audio.

    Raises:
        InputError: a collection holds no song.
    """
    _check_filled(connection, collections, *where)
    listed = newest(connection, items, "collection", items.c.collection.in_(collections), *where, only=only)
    return _as_songs(listed)


def songs_anywhere(connection: Connection, only: Collection[str]) -> dict[str, Track]:
    """Some songs by id as all collections together know them: the newest name, the newest place of the audio."""
    return _as_songs(newest(connection, items, "collection", only=only))


def is_cut_by(recipe: str | ColumnElement[Any], by: datetime | None = None) -> ColumnElement[bool]:
    """That a row of `clips` is a clip cut by a recipe, as far as was known at `by`.

    A clip whose recipe is unknown counts as cut by any, until a later one of the song has a known recipe. One
    that was lost from the store counts no more.
    """
    later = clips.alias()
    known = later.c.recipe.is_not(None) & later.c.sha256.is_not(None)
    is_any = clips.c.recipe.is_(None) & ~_is_followed(later, known, by)
    return is_kept(by) & or_(clips.c.recipe == recipe, is_any)


def is_kept(by: datetime | None = None) -> ColumnElement[bool]:
    """That a row of `clips` is a clip that was not lost from the store, as far as was known at `by`."""
    later = clips.alias()
    return clips.c.sha256.is_not(None) & ~_is_followed(later, later.c.lost_sha256 == clips.c.sha256, by)


def _is_followed(later: FromClause, what: ColumnElement[bool], by: datetime | None) -> ColumnElement[bool]:
    """That a row of `clips` is followed by another of its song, `later`, of which `what` is true."""
    rows = select(later.c.id).where(later.c.track_id == clips.c.track_id, later.c.id > clips.c.id, what)
    return (rows.where(later.c.observed_at <= by) if by else rows).correlate(clips).exists()


def collections_filled(connection: Connection) -> set[str]:
    """The collections that hold a song."""
    return set(connection.scalars(select(items.c.collection).distinct()))


def _as_songs(found: Observations) -> dict[str, Track]:
    songs: dict[str, Track] = {}
    for row in sorted((rows[-1] for rows in found.values()), key=lambda row: row.id):
        place = row if row.path or row.url else songs.get(row.track_id, row)
        songs[row.track_id] = Track(
            row.track_id,
            row.title,
            row.artist,
            place.path,
            place.url,
            row.isrc,
            row.duration_s,
            place.licence,
            place.may_fetch,
        )
    return dict(sorted(songs.items()))


def _check_filled(connection: Connection, collections: Collection[str], *where: ColumnElement[bool]) -> None:
    one = select(items.c.id).where(*where).limit(1)
    missing = [
        collection
        for collection in sorted(set(collections))
        if connection.scalar(one.where(items.c.collection == collection)) is None
    ]
    if missing:
        raise InputError(f"collection {', '.join(missing)}: holds no songs; {_remedy(connection, *where)}")


def _remedy(connection: Connection, *where: ColumnElement[bool]) -> str:
    known = sorted(connection.scalars(select(items.c.collection).where(*where).distinct()))
    filled = f"the catalog has {', '.join(known)}" if known else "the catalog has none"
    return f"{filled}; fill one with mer import FILE --collection NAME"
