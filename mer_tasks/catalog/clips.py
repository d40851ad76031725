"""Which songs still need a clip, and what came of each attempt to cut one."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, func, insert, or_, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.reading import songs_in
from mer_tasks.catalog.schema import clips, items
from mer_tasks.domain import ClipOutcome, Track


def songs_without_clip(catalog: Catalog, collections: Collection[str]) -> list[Track]:
    """The songs of some collections that have audio somewhere but no clip of it; a failed one is tried again.

    A clip counts only if it is younger than the newest statement of where the song's audio is.

    Raises:
        InputError: a collection holds no song.
    """
    with catalog.reading() as connection:
        songs = songs_in(connection, collections)
        cut = _newest(connection, clips.c, clips.c.sha256.is_not(None))
        said = _newest(connection, items.c, or_(items.c.path.is_not(None), items.c.url.is_not(None)))
    return [
        song
        for song in songs.values()
        if (song.path or song.url)
        and not (song.track_id in cut and cut[song.track_id] >= said[song.track_id])
    ]


def _newest(
    connection: Connection, columns: ReadOnlyColumnCollection[str, Column[Any]], where: ColumnElement[bool]
) -> dict[str, datetime]:
    """When the last of a song's observations was made, by track_id."""
    newest = select(columns.track_id, func.max(columns.observed_at)).where(where).group_by(columns.track_id)
    return {row.track_id: row[1] for row in connection.execute(newest)}


def record_clip(catalog: Catalog, outcome: ClipOutcome, now: datetime | None = None) -> None:
    """Add what came of one attempt to cut a song's clip."""
    row = {"track_id": outcome.track_id, "reason": outcome.reason}
    clip = asdict(outcome.clip) if outcome.clip else {}
    with catalog.transaction() as connection:
        connection.execute(insert(clips), {**row, **clip, "observed_at": now or datetime.now(UTC)})
