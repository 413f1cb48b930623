"""Alembic's entry: runs the migrations on the connection that `store.migrate` hands over."""

from alembic import context

from manufacturing_copilot.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, compare_type=True)
context.run_migrations()
