"""Alembic runs this: on the connection that `database.migrate` brings, in its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
