"""What registered versions answered for the songs' clips."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, case, func, insert, select

from mer_tasks.catalog.database import Catalog, patiently
from mer_tasks.catalog.reading import in_parts, is_kept
from mer_tasks.catalog.schema import clips, predictions


@dataclass(frozen=True, slots=True)
class ClipAnswer:
    """What a version answered for a song's clip: the probability of each mood, or the reason it has none.

    `tags` has the probability of each tag that it tells beside them.
    """

    track_id: str
    clip_sha256: str
    probabilities: Mapping[str, float] | None = None
    reason: str | None = None
    tags: Mapping[str, float] = field(default_factory=dict)

    @property
    def mood(self) -> str | None:
        """The most probable mood."""
        found = self.probabilities
        return max(found, key=found.__getitem__) if found else None


@patiently
def unscored_clips(catalog: Catalog, model_id: str) -> list[tuple[str, str]]:
    """The newest clip of every song that has one for which this version has no answer: track_id and SHA-256."""
    newest = select(func.max(clips.c.id)).where(is_kept()).group_by(clips.c.track_id)
    answered = (
        select(predictions.c.id)
        .where(
            predictions.c.model_id == model_id,
            predictions.c.track_id == clips.c.track_id,
            predictions.c.clip_sha256 == clips.c.sha256,
        )
        .correlate(clips)
    )
    wanted = select(clips.c.track_id, clips.c.sha256).where(clips.c.id.in_(newest), ~answered.exists())
    with catalog.reading() as connection:
        return [(row.track_id, row.sha256) for row in connection.execute(wanted.order_by(clips.c.track_id))]


@patiently
def record_answers(
    catalog: Catalog,
    model_id: str,
    version: str,
    answers: Sequence[ClipAnswer],
    now: datetime | None = None,
) -> None:
    """Add a version's answers, in one transaction."""
    stamp = {"model_id": model_id, "version": version, "predicted_at": now or datetime.now(UTC)}
    rows = [
        {
            "track_id": answer.track_id,
            "clip_sha256": answer.clip_sha256,
            "mood": answer.mood,
            "probabilities": dict(answer.probabilities) if answer.probabilities else None,
            "tags": dict(answer.tags) or None,
            "reason": answer.reason,
        }
        | stamp
        for answer in answers
    ]
    if rows:
        with catalog.transaction() as connection:
            connection.execute(insert(predictions), rows)


@patiently
def answers_of(catalog: Catalog, model_id: str, wanted: Iterable[str]) -> dict[str, ClipAnswer]:
    """What a version answered for clips, by SHA-256; those that it was not asked for are not there."""
    query = select(predictions).where(predictions.c.model_id == model_id).order_by(predictions.c.id)
    with catalog.reading() as connection:
        return {
            row.clip_sha256: as_answer(row)
            for part in in_parts(wanted)
            for row in connection.execute(query.where(predictions.c.clip_sha256.in_(part)))
        }


def as_answer(row: Row[Any]) -> ClipAnswer:
    """A row of the table as it was recorded."""
    return ClipAnswer(row.track_id, row.clip_sha256, row.probabilities, row.reason, row.tags or {})


def newest_answers(
    connection: Connection,
    model_id: str | None,
    only: Collection[str] | None = None,
    most: int | None = None,
) -> dict[str, Row[Any]]:
    """The last answer that gave a mood for each song, or for `only` some, by track_id; at most the newest `most`.

    Where the version `model_id` has one, it is that version's last.
    """
    its_own = case((predictions.c.model_id == model_id, predictions.c.id))
    last = select(func.coalesce(func.max(its_own), func.max(predictions.c.id))).where(
        predictions.c.mood.is_not(None)
    )
    wanted = select(predictions).order_by(predictions.c.id.desc()).limit(most)
    parts = [last] if only is None else [last.where(predictions.c.track_id.in_(p)) for p in in_parts(only)]
    rows = [
        row
        for part in parts
        for row in connection.execute(
            wanted.where(predictions.c.id.in_(part.group_by(predictions.c.track_id)))
        )
    ]
    return {row.track_id: row for row in rows}
