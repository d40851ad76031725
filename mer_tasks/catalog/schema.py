"""The catalog's tables. Rows are only ever added: each holds what was observed, by whom and when.

Only `queue`, which follows from the others, is rewritten.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    true,
)
from sqlalchemy.types import TypeDecorator

from mer_tasks.validation import LONGEST_ID


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, timezone-aware and in UTC on the way in and out; SQLite itself would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a moment without a zone: nobody would know later which hour it meant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value}: a moment in the catalog needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment back in UTC, whatever zone the server uses."""
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
    Column("isrc", String),
    Column("duration_s", Float),
    Column("licence", String),
    Column("may_fetch", Boolean, nullable=False, server_default=true()),
    _observed_at(),
    Index("ix_items_collection", "collection", "track_id"),
)
"""A song in a collection: what it is called there, and where its audio is."""

labels = Table(
    "labels",
    metadata,
    _id(),
    _track_id(),
    Column("mood", String),
    Column("kind", String, nullable=False),
    Column("source", String, nullable=False),
    Column("note", String),
    _observed_at(),
    Index("ix_labels_source", "source", "track_id"),
)
"""A song's mood by a source, such as "file:moodify" or "person:ann"; `kind` is the `LabelKind` in it.

A mood of null takes the source's earlier one back; `note` is what a person gives as the reason.
"""

measurements = Table(
    "measurements",
    metadata,
    _id(),
    _track_id(),
    Column("numbers", JSON, nullable=False),
    Column("source", String, nullable=False),
    _observed_at(),
    Index("ix_measurements_source", "source", "track_id"),
)
"""The numbers that a source gives for a song, by name: Spotify's features, annotations, anything."""

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
    Column("fingerprint", LargeBinary),
    Column("recipe", String),
    Column("reason", String),
    Column("failure", String),
    Column("match", JSON(none_as_null=True)),
    Column("n_bytes", BigInteger),
    Column("seconds", Float),
    Column("next_try_at", UtcDateTime),
    Column("lost_sha256", String(64)),
    _observed_at(),
    CheckConstraint("(sha256 IS NULL) <> (reason IS NULL)", name="clip_or_reason"),
)
"""Every attempt to cut a song's clip: the clip, or the reason there is none and when to try again.

`recipe` names the settings that a clip was cut by; null where they are not known. A row with `lost_sha256` is no
attempt: it says why a clip that was cut earlier, of these bytes, counts no more. Only attempts have `seconds`.
"""

predictions = Table(
    "predictions",
    metadata,
    _id(),
    _track_id(),
    Column("clip_sha256", String(64), nullable=False),
    Column("model_id", String(32), nullable=False),
    Column("version", String, nullable=False),
    Column("mood", String),
    Column("probabilities", JSON(none_as_null=True)),
    Column("tags", JSON(none_as_null=True)),
    Column("reason", String),
    Column("predicted_at", UtcDateTime, nullable=False),
    CheckConstraint("(mood IS NULL) <> (reason IS NULL)", name="mood_or_reason"),
    Index("ix_predictions_model", "model_id", "track_id"),
)
"""What a registered version answered for a song's clip: the mood and the probability of each, or why there is none.

`tags` has the probability of each tag that the version tells beside the moods. `model_id` names the version's files for ever, `version` is the number that people know it by. It has no
`observed_at`: an answer of a model is no observation of a song, and makes no data set out of date.
"""

chart_readings = Table(
    "chart_readings",
    metadata,
    _id(),
    Column("chart", String, nullable=False, index=True),
    Column("version", String),
    Column("n_entries", Integer, nullable=False),
    Column("entries_of", ForeignKey("chart_readings.id")),
    _observed_at(),
)
"""Every time a chart was read. One that had not changed has the entries of the reading `entries_of`."""

chart_entries = Table(
    "chart_entries",
    metadata,
    Column("reading_id", ForeignKey("chart_readings.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("track_id", ForeignKey("tracks.track_id"), nullable=False),
)
"""Which song stood at which position of a chart that was read."""

promotions = Table(
    "promotions",
    metadata,
    _id(),
    Column("model", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("from_version", String),
    Column("to_version", String),
    Column("decided_by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("scores", JSON(none_as_null=True)),
    Column("n_songs", Integer),
    Column("decided_at", UtcDateTime, nullable=False),
)
"""Every change of which version of a registered model is in service; `kind` is the `Kind` in `ledger`.

Its moment is no `observed_at`: a promotion changes nothing that a data set is made of.
"""

queue = Table(
    "queue",
    metadata,
    Column("track_id", ForeignKey("tracks.track_id"), primary_key=True),
    Column("due_at", UtcDateTime, index=True),
    Column("searched", Boolean, nullable=False),
    Column("n_failures", Integer, nullable=False),
    Column("recipe", String),
    Column("moved_after", Integer),
    Column("worker_id", String, index=True),
    Column("lease_until", UtcDateTime),
)
"""What is still to be cut, the one table whose rows change: it follows from the others and shows which worker is at it.

A song is due at `due_at`, or never (null: it has its clip, or no place it may be had from), for workers of
`recipe` (null: of any). `searched` songs have no address; clips up to the id `moved_after` are of an
earlier address. The worker `worker_id` has claimed a song until `lease_until`.
"""

silences = Table(
    "silences",
    metadata,
    _id(),
    Column("key", String, nullable=False, index=True),
    Column("until", UtcDateTime, nullable=False),
    Column("reason", String, nullable=False),
    Column("given_at", UtcDateTime, nullable=False),
)
"""Until when, and why, alerts of a key send no message; the newest row of a key counts."""

alerts = Table(
    "alerts",
    metadata,
    _id(),
    Column("key", String, nullable=False, index=True),
    Column("severity", String, nullable=False),
    Column("title", String, nullable=False),
    Column("text", String, nullable=False),
    Column("remedy", String, nullable=False),
    Column("page", String),
    Column("run", String),
    Column("since", UtcDateTime, nullable=False),
    Column("incident_id", ForeignKey("alerts.id"), index=True),
    Column("silence_id", ForeignKey("silences.id")),
    Column("raised_at", UtcDateTime, nullable=False, index=True),
)
"""Every alert. One with an `incident_id` is a repetition of that earlier one, and sends no message of its own.

`run` is the DAG and its run that raised it; `since` when the same key was first raised without a long pause.
"""

deliveries = Table(
    "deliveries",
    metadata,
    _id(),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False, index=True),
    Column("reached", JSON, nullable=False),
    Column("problem", String),
    Column("tried_at", UtcDateTime, nullable=False),
)
"""Every try to send an alert: the ids of the addresses that took it, and why others did not (null: all did)."""
