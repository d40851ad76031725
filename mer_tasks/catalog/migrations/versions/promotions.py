"""The promotion ledger: which version was in service when, by whom and why."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create it."""
    op.create_table(
        "promotions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("from_version", sa.String),
        sa.Column("to_version", sa.String),
        sa.Column("decided_by", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("scores", sa.JSON(none_as_null=True)),
        sa.Column("n_songs", sa.Integer),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_promotions_model", "promotions", ["model"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("promotions")
