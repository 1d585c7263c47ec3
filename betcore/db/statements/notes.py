"""The statements that write events and incidents of a bet, and nothing else."""

from betcore.db.statement import NoRow, Statement

# The same words at the same time are the same event, however often they are written.
NOTE_ONCE = Statement(
    NoRow,
    """
INSERT INTO bet_event (bet_id, kind, data)
SELECT CAST(:bet_id AS bigint), CAST(:event_type AS text), CAST(:data AS jsonb)
WHERE NOT EXISTS (SELECT FROM bet_event WHERE bet_id = :bet_id AND kind = :event_type AND data = CAST(:data AS jsonb))
""",
)
NOTE = Statement(
    NoRow, "INSERT INTO bet_event (bet_id, kind, data) VALUES (:bet_id, :event_type, CAST(:data AS jsonb))"
)

FILE_INCIDENT = Statement(
    NoRow,
    """
INSERT INTO incident (bet_id, kind, ours, theirs)
SELECT CAST(:bet_id AS bigint), CAST(:kind AS text), CAST(:ours AS jsonb), CAST(:theirs AS jsonb)
WHERE NOT EXISTS (
    SELECT FROM incident WHERE bet_id = :bet_id AND kind = :kind
       AND ours = CAST(:ours AS jsonb) AND theirs = CAST(:theirs AS jsonb)
)
""",
)
