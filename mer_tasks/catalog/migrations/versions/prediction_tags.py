"""The tags that a version tells beside the moods."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add them; nobody knows those of earlier answers."""
    op.add_column("predictions", sa.Column("tags", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("predictions", "tags")
