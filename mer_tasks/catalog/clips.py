"""Which songs still need a clip, and what came of each attempt to cut one."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import insert, select

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.reading import songs_in
from mer_tasks.catalog.schema import clips
from mer_tasks.domain import ClipOutcome, Track


def songs_without_clip(catalog: Catalog, collections: Collection[str]) -> list[Track]:
    """The songs of some collections that have audio somewhere but no clip; a failed one is tried again.

    Raises:
        InputError: a collection holds no song.
    """
    with catalog.reading() as connection:
        songs = songs_in(connection, collections)
        done = set(connection.scalars(select(clips.c.track_id).where(clips.c.sha256.is_not(None))))
    return [song for song in songs.values() if (song.path or song.url) and song.track_id not in done]


def record_clip(catalog: Catalog, outcome: ClipOutcome, now: datetime | None = None) -> None:
    """Add what came of one attempt to cut a song's clip."""
    row = {"track_id": outcome.track_id, "reason": outcome.reason}
    clip = asdict(outcome.clip) if outcome.clip else {}
    with catalog.transaction() as connection:
        connection.execute(insert(clips), {**row, **clip, "observed_at": now or datetime.now(UTC)})
