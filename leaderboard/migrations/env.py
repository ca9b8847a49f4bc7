"""What alembic runs: the migrations of the board, on the connection that `leaderboard.database` hands over."""

from alembic import context

from leaderboard.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
