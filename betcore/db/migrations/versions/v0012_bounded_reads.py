"""Indexes and counts by which no statement reads more because more bets were settled.

Indexes are made while bets are written. The ones that are dropped have a successor that also serves the statements of
the release before, which runs until it is replaced.
"""

from typing import Any

from alembic import op

revision = "0012"
down_revision = "0011"

# Name, definition, and the index whose place it takes.
INDEXES = (
    # The sweep pages through open bets by BetId.
    ("bet_open_by_id", "bet (bet_id) WHERE closed_at IS NULL", "bet_open"),
    # The balance that was named last. A refused bet has none, and a player may have thousands of them in a row.
    ("bet_player_closed", "bet (player_id, currency, (refusal IS NULL), closed_at, bet_id)", "bet_player"),
    # Each provider has its own window.
    ("request_id_window", "request_id (provider_id, seen_at)", "request_id_seen_at"),
    # Incidents of one kind, newest first; and those that were filed before their bet had a row.
    ("incident_kind", "incident (kind, incident_id)", None),
    (
        "incident_before_bet",
        "incident ((coalesce(ours ->> 'provider_bet_id', theirs ->> 'provider_bet_id'))) WHERE bet_id IS NULL",
        None,
    ),
    ("reconciliation_unended", "reconciliation (casino_id, opened_to) WHERE ended_at IS NULL", None),
    ("finding_run", "finding (reconciliation_id, finding_id)", None),
)
# An incident is never changed or deleted, so that a count of what was inserted stays true. The trigger comes first:
# until the migration commits it keeps others from inserting what would be counted neither here nor there.
COUNTS = """
CREATE TABLE incident_count (kind text PRIMARY KEY, incidents bigint NOT NULL);
COMMENT ON TABLE incident_count IS 'how many rows of each kind the table incident has';
CREATE FUNCTION count_incident() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO incident_count VALUES (NEW.kind, 1)
    ON CONFLICT (kind) DO UPDATE SET incidents = incident_count.incidents + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER count_incident AFTER INSERT ON incident FOR EACH ROW EXECUTE FUNCTION count_incident();
INSERT INTO incident_count SELECT kind, count(*) FROM incident GROUP BY kind;
"""
# Seconds. An index of a large table takes long, and what was begun is of no use.
_PATIENCE = 24 * 60 * 60


def _execute(sql: str) -> None:
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(sql, timeout=_PATIENCE))


def upgrade() -> None:
    """Make the indexes one by one, outside of a transaction, and drop those that have a successor; add the counts."""
    with op.get_context().autocommit_block():
        # An interrupted migration may have left one in part: no statement uses it.
        found = op.get_bind().exec_driver_sql("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        invalid = set(found.scalars())
        for name, definition, _ in INDEXES:
            if name in invalid:
                _execute(f"DROP INDEX CONCURRENTLY {name}")
            _execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {definition}")
        for _, _, place in INDEXES:
            if place is not None:
                _execute(f"DROP INDEX CONCURRENTLY IF EXISTS {place}")
    _execute(COUNTS)
