"""What came of each attempt to cut a song's clip."""

import hashlib
from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import func, insert, select

from mer_tasks.catalog.database import Catalog, patiently
from mer_tasks.catalog.queue import complete_attempt
from mer_tasks.catalog.reading import is_cut_by
from mer_tasks.catalog.schema import clips, items
from mer_tasks.domain import ClipOutcome
from mer_tasks.settings import ClipSettings


def clip_recipe(settings: ClipSettings) -> str:
    """A short name for how clips are cut: those of one recipe are cut alike and may be compared."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]


@patiently
def record_clip(
    catalog: Catalog,
    outcome: ClipOutcome,
    recipe: str | None = None,
    now: datetime | None = None,
    worker_id: str | None = None,
) -> None:
    """Add what came of one attempt to cut a song's clip, and when it is tried again.

    `recipe` is what the clip was cut by, or the name of the settings that a failed attempt was made with.
    """
    now = now or datetime.now(UTC)
    clip = asdict(outcome.clip) if outcome.clip else {}
    with catalog.transaction() as connection:
        next_try_at = complete_attempt(
            connection, outcome.track_id, recipe, worker_id, outcome.failure, outcome.retry_after_s, now
        )
        row = {
            "track_id": outcome.track_id,
            "recipe": recipe if outcome.clip else None,
            "reason": outcome.reason,
            "failure": outcome.failure,
            "match": dict(outcome.match) if outcome.match else None,
            "n_bytes": outcome.n_bytes,
            "seconds": outcome.seconds,
            "next_try_at": next_try_at,
            "observed_at": now,
        }
        connection.execute(insert(clips), row | clip)


@patiently
def clips_of(catalog: Catalog, collections: Collection[str], recipe: str) -> dict[str, str]:
    """The SHA-256 of the newest clip of a recipe of every song of some collections that has one, by track_id."""
    wanted = select(items.c.track_id).where(items.c.collection.in_(collections))
    newest = (
        select(func.max(clips.c.id))
        .where(is_cut_by(recipe), clips.c.track_id.in_(wanted))
        .group_by(clips.c.track_id)
    )
    with catalog.reading() as connection:
        rows = connection.execute(select(clips.c.track_id, clips.c.sha256).where(clips.c.id.in_(newest)))
        return {row.track_id: row.sha256 for row in rows}
