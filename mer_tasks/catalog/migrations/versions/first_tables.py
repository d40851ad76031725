"""Tracks, and what was observed of them: items, labels, measurements, clips."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "tracks",
        sa.Column("track_id", sa.String(200), primary_key=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
    )
    _create_observations(
        "items",
        sa.Column("collection", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("artist", sa.String, nullable=False),
        sa.Column("path", sa.String),
        sa.Column("url", sa.String),
    )
    _create_observations(
        "labels",
        sa.Column("mood", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("said_by", sa.String, nullable=False),
    )
    _create_observations(
        "measurements",
        sa.Column("numbers", sa.JSON, nullable=False),
        sa.Column("said_by", sa.String, nullable=False),
    )
    _create_observations(
        "clips",
        sa.Column("sha256", sa.String(64)),
        sa.Column("start_s", sa.Float),
        sa.Column("duration_s", sa.Float),
        sa.Column("sr", sa.Integer),
        sa.Column("channels", sa.Integer),
        sa.Column("loudness_lufs", sa.Float),
        sa.Column("reason", sa.String),
        sa.CheckConstraint("(sha256 IS NULL) <> (reason IS NULL)", name="clip_or_reason"),
    )


def _create_observations(name: str, *what: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("track_id", sa.ForeignKey("tracks.track_id"), type_=sa.String(200), nullable=False),
        *what,
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index(f"ix_{name}_track_id", name, ["track_id"])


def downgrade() -> None:
    """Remove them."""
    for name in ("clips", "measurements", "labels", "items", "tracks"):
        op.drop_table(name)
