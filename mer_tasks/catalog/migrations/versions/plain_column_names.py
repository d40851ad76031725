"""Columns by their plain names: a statement's `source`, and the `worker_id` of who is at a song."""

from alembic import op

revision = "0004"
down_revision = "0003"

OBSERVATIONS = ("labels", "measurements")


def upgrade() -> None:
    """Rename them, and their indexes."""
    for table in OBSERVATIONS:
        _rename(table, "said_by", "source", ["track_id"])
    _rename("queue", "holder", "worker_id", [])


def downgrade() -> None:
    """Give them their old names."""
    _rename("queue", "worker_id", "holder", [])
    for table in OBSERVATIONS:
        _rename(table, "source", "said_by", ["track_id"])


def _rename(table: str, old: str, new: str, other_columns: list[str]) -> None:
    """Rename a column and the index that begins with it; SQLite cannot rename an index."""
    op.drop_index(f"ix_{table}_{old}", table)
    op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    op.create_index(f"ix_{table}_{new}", table, [new, *other_columns])
