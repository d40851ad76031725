"""The catalog's tables. Rows are only ever added: each says what was observed, by whom and when."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
)
from sqlalchemy.types import TypeDecorator

from mer_tasks.checks import LONGEST_ID


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, timezone-aware and in UTC on the way in and out; SQLite itself would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a moment without a zone: nobody could say later which hour it meant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value}: a moment in the catalog needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment back in UTC, whatever zone the server speaks."""
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


metadata = MetaData()


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True)


def _track_id() -> Column[str]:
    return Column("track_id", ForeignKey("tracks.track_id"), nullable=False, index=True)


def _observed_at() -> Column[datetime]:
    return Column("observed_at", UtcDateTime, nullable=False)


tracks = Table(
    "tracks",
    metadata,
    Column("track_id", String(LONGEST_ID), primary_key=True),
    Column("first_seen_at", UtcDateTime, nullable=False),
)
"""Every song that was ever seen."""

items = Table(
    "items",
    metadata,
    _id(),
    _track_id(),
    Column("collection", String, nullable=False),
    Column("title", String, nullable=False),
    Column("artist", String, nullable=False),
    Column("path", String),
    Column("url", String),
    _observed_at(),
)
"""A song in a collection: what it is called there, and where its audio is."""

labels = Table(
    "labels",
    metadata,
    _id(),
    _track_id(),
    Column("mood", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("said_by", String, nullable=False),
    _observed_at(),
)
"""A song's mood, as someone said it: `kind` is a `LabelKind`, `said_by` such as "file:moodify"."""

measurements = Table(
    "measurements",
    metadata,
    _id(),
    _track_id(),
    Column("numbers", JSON, nullable=False),
    Column("said_by", String, nullable=False),
    _observed_at(),
)
"""The numbers someone gave for a song, by name: Spotify's features, annotations, anything."""

clips = Table(
    "clips",
    metadata,
    _id(),
    _track_id(),
    Column("sha256", String(64)),
    Column("start_s", Float),
    Column("duration_s", Float),
    Column("sr", Integer),
    Column("channels", Integer),
    Column("loudness_lufs", Float),
    Column("reason", String),
    _observed_at(),
    CheckConstraint("(sha256 IS NULL) <> (reason IS NULL)", name="clip_or_reason"),
)
"""Every attempt to cut a song's clip: the clip, or the reason there is none."""
