"""By which recipe each clip was cut, and which clips are older than the address of a song's audio."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

LAST_ATTEMPTS = """
UPDATE clips
SET recipe = (SELECT nullif(queue.recipe, 'unknown') FROM queue WHERE queue.track_id = clips.track_id)
WHERE sha256 IS NOT NULL AND id IN (SELECT max(id) FROM clips GROUP BY track_id)
"""
"""The queue knows the recipe of the last attempt only: of other clips nobody knows it any more."""

MOVED = """
UPDATE queue
SET recipe = NULL,
    moved_after = (SELECT max(clips.id) FROM clips WHERE clips.track_id = queue.track_id)
WHERE due_at IS NOT NULL AND n_failures = 0 AND recipe IS NOT NULL
"""


def upgrade() -> None:
    """Add them, as far as they are known."""
    op.add_column("clips", sa.Column("recipe", sa.String))
    op.add_column("queue", sa.Column("moved_after", sa.Integer))
    op.execute(LAST_ATTEMPTS)
    op.execute(MOVED)


def downgrade() -> None:
    """Remove them."""
    op.drop_column("queue", "moved_after")
    op.drop_column("clips", "recipe")
