"""Reconciliation compares cashbacks too: their findings, which runs have them, and cashbacks by the time of opening."""

from typing import Any

from alembic import op

revision = "0023"
down_revision = "0022"

FINDINGS = """
ALTER TABLE reconciliation ADD COLUMN cashbacks boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN reconciliation.cashbacks IS 'whether cashbacks are compared too: those of a casino that lists them';
ALTER TABLE finding DROP CONSTRAINT finding_bet_id_fkey;
COMMENT ON COLUMN finding.bet_id IS 'of a bet or of a cashback';
CREATE CONSTRAINT TRIGGER guard_subject AFTER INSERT ON finding FOR EACH ROW EXECUTE FUNCTION guard_subject();
"""

# Seconds. An index of a large table takes long.
_PATIENCE = 24 * 60 * 60


def _execute(sql: str) -> None:
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(sql, timeout=_PATIENCE))


def upgrade() -> None:
    """Make the index of cashbacks while they are written, and add what is new."""
    with op.get_context().autocommit_block():
        # An interrupted migration may have left it in part.
        _execute("DROP INDEX CONCURRENTLY IF EXISTS cashback_casino_opened")
        _execute("CREATE INDEX CONCURRENTLY cashback_casino_opened ON cashback (casino_id, opened_at)")
    _execute(FINDINGS)
