"""Alembic's entry: runs the migrations over the connection that ``betcore.db.migrate`` hands in.

Each migration is a transaction of its own, which it may leave to make an index while rows are written.
"""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], transactional_ddl=True, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
