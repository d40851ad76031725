"""Charts as they were read, what is known of a song's rights, and the queue of clips to cut."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NEW_COLUMNS = {
    "items": (
        sa.Column("isrc", sa.String),
        sa.Column("duration_s", sa.Float),
        sa.Column("licence", sa.String),
        sa.Column("may_fetch", sa.Boolean, nullable=False, server_default=sa.true()),
    ),
    "clips": (
        sa.Column("fingerprint", sa.LargeBinary),
        sa.Column("failure", sa.String),
        sa.Column("match", sa.JSON),
        sa.Column("n_bytes", sa.BigInteger),
        sa.Column("seconds", sa.Float),
        sa.Column("next_try_at", sa.DateTime(timezone=True)),
    ),
}
NEW_INDEXES = {"items": "collection", "labels": "said_by", "measurements": "said_by"}

WHAT_IS_DUE = """
INSERT INTO queue (track_id, due_at, searched, n_failures, recipe)
SELECT track_id,
    CASE WHEN cut_at IS NULL OR cut_at < placed_at THEN coalesce(placed_at, first_seen_at) END,
    placed_at IS NULL, 0, CASE WHEN cut_at IS NOT NULL THEN 'unknown' END
FROM (SELECT track_id, first_seen_at,
    (SELECT max(observed_at) FROM clips WHERE clips.track_id = tracks.track_id AND sha256 IS NOT NULL) AS cut_at,
    (SELECT max(observed_at) FROM items WHERE items.track_id = tracks.track_id
        AND (path IS NOT NULL OR url IS NOT NULL)) AS placed_at
    FROM tracks) AS known
"""


def upgrade() -> None:
    """Add them; songs without a clip are due, and old clips once more: nobody knows how they were cut."""
    for table, columns in NEW_COLUMNS.items():
        for new in columns:
            op.add_column(table, new)
    for table, column in NEW_INDEXES.items():
        op.create_index(f"ix_{table}_{column}", table, [column, "track_id"])
    op.create_table(
        "chart_readings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("chart", sa.String, nullable=False, index=True),
        sa.Column("version", sa.String),
        sa.Column("n_entries", sa.Integer, nullable=False),
        sa.Column("entries_of", sa.ForeignKey("chart_readings.id"), type_=sa.Integer),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "chart_entries",
        sa.Column("reading_id", sa.ForeignKey("chart_readings.id"), type_=sa.Integer, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("track_id", sa.ForeignKey("tracks.track_id"), type_=sa.String(200), nullable=False),
    )
    op.create_table(
        "queue",
        sa.Column("track_id", sa.ForeignKey("tracks.track_id"), type_=sa.String(200), primary_key=True),
        sa.Column("due_at", sa.DateTime(timezone=True), index=True),
        sa.Column("searched", sa.Boolean, nullable=False),
        sa.Column("n_failures", sa.Integer, nullable=False),
        sa.Column("recipe", sa.String),
        sa.Column("holder", sa.String, index=True),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
    )
    op.execute(WHAT_IS_DUE)


def downgrade() -> None:
    """Remove them."""
    for table in ("queue", "chart_entries", "chart_readings"):
        op.drop_table(table)
    for table, column in NEW_INDEXES.items():
        op.drop_index(f"ix_{table}_{column}", table)
    for table, columns in NEW_COLUMNS.items():
        for new in columns:
            op.drop_column(table, new.name)
