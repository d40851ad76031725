"""What registered versions answered for the songs' clips."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "predictions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("track_id", sa.String(200), sa.ForeignKey("tracks.track_id"), nullable=False),
        sa.Column("clip_sha256", sa.String(64), nullable=False),
        sa.Column("model_id", sa.String(32), nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("mood", sa.String),
        sa.Column("probabilities", sa.JSON),
        sa.Column("reason", sa.String),
        sa.Column("predicted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(mood IS NULL) <> (reason IS NULL)", name="mood_or_reason"),
    )
    op.create_index("ix_predictions_track_id", "predictions", ["track_id"])
    op.create_index("ix_predictions_model", "predictions", ["model_id", "track_id"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("predictions")
