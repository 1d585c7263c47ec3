"""The wins in review by an index, which is made while bets are written."""

from typing import Any

from alembic import op

revision = "0032"
down_revision = "0031"

# Seconds. An index of a large table takes long, and what was begun is of no use.
_PATIENCE = 24 * 60 * 60
_INDEX = "bet_in_review"
_DEFINITION = "bet (bet_id) WHERE review ->> 'state' = 'in_review'"


def upgrade() -> None:
    """Make the index outside of a transaction."""
    with op.get_context().autocommit_block():
        connection: Any = op.get_bind().connection.dbapi_connection
        # An interrupted migration may have left it in part: no statement uses it.
        found = op.get_bind().exec_driver_sql("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        if _INDEX in set(found.scalars()):
            connection.run_async(lambda driver: driver.execute(f"DROP INDEX CONCURRENTLY {_INDEX}", timeout=_PATIENCE))
        make = f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {_INDEX} ON {_DEFINITION}"
        connection.run_async(lambda driver: driver.execute(make, timeout=_PATIENCE))
