"""Which clips were lost from the store; why a person gave a label, and that a label may be taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add them."""
    op.add_column("clips", sa.Column("lost_sha256", sa.String(64)))
    with op.batch_alter_table("labels") as labels:  # SQLite writes the table anew
        labels.add_column(sa.Column("note", sa.String))
        labels.alter_column("mood", existing_type=sa.String(), nullable=True)


def downgrade() -> None:
    """Remove them; what was taken back or lost would count again, so it goes too."""
    op.execute("DELETE FROM clips WHERE lost_sha256 IS NOT NULL")
    op.execute("DELETE FROM labels WHERE mood IS NULL")
    op.drop_column("clips", "lost_sha256")
    with op.batch_alter_table("labels") as labels:
        labels.drop_column("note")
        labels.alter_column("mood", existing_type=sa.String(), nullable=False)
