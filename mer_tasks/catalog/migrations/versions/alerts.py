"""Every alert, what became of its message, and which keys are silenced."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "silences",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False, index=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False, index=True),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("remedy", sa.String, nullable=False),
        sa.Column("page", sa.String),
        sa.Column("run", sa.String),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("incident_id", sa.ForeignKey("alerts.id"), type_=sa.Integer, index=True),
        sa.Column("silence_id", sa.ForeignKey("silences.id"), type_=sa.Integer),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False, index=True),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("alert_id", sa.ForeignKey("alerts.id"), type_=sa.Integer, nullable=False, index=True),
        sa.Column("reached", sa.JSON, nullable=False),
        sa.Column("problem", sa.String),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Remove them."""
    for table in ("deliveries", "alerts", "silences"):
        op.drop_table(table)
