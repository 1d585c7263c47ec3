"""What metrics say of all open rows, added up now and then; rounds in review by an index."""

from typing import Any

from alembic import op

revision = "0027"
down_revision = "0026"

TABLE = """
CREATE TABLE metric_snapshot (
    part      text PRIMARY KEY,
    found     jsonb NOT NULL DEFAULT '[]',
    taken_at  timestamptz NOT NULL DEFAULT 'epoch'
);
COMMENT ON TABLE metric_snapshot IS 'what metrics say of open rows; the process whose turn it is adds up';
INSERT INTO metric_snapshot (part) VALUES ('open'), ('jackpots'), ('live_rounds');
"""

_IN_REVIEW = "live_round (game_type, edition) WHERE state = 'review'"
# Seconds. An index of a large table takes long.
_PATIENCE = 24 * 60 * 60


def _execute(sql: str) -> None:
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(sql, timeout=_PATIENCE))


def upgrade() -> None:
    """Make the index of rounds while they are written, and add the table."""
    with op.get_context().autocommit_block():
        # An interrupted migration may have left it in part.
        _execute("DROP INDEX CONCURRENTLY IF EXISTS live_round_review")
        _execute(f"CREATE INDEX CONCURRENTLY live_round_review ON {_IN_REVIEW}")
    _execute(TABLE)
