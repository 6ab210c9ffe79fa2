"""Run by Alembic; the catalogue hands its connection over."""

from alembic import context

from index.rows import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
