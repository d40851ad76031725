"""How Alembic runs the catalog's migrations: on the connection that `Catalog.open` hands over."""

from alembic import context

from mer_tasks.catalog.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # the connection's transaction holds every step, in SQLite too
)
context.run_migrations()
