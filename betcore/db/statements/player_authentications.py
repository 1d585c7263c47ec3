"""The statements behind ``betcore.db.player_authentications``."""

from dataclasses import dataclass
from uuid import UUID

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class StandingRow:
    """The call that stands for a token, and what came of it; ``outcome`` is None while it is under way."""

    flight: UUID
    outcome: str | None
    player_id: int | None
    result: str | None


@dataclass(frozen=True, slots=True)
class FlightRow:
    """A call that is still that of this process."""

    flight: UUID


@dataclass(frozen=True, slots=True)
class PlayerRow:
    """A player; ``blocked`` is whether an operator has blocked him."""

    player_id: int
    blocked: bool


# The row is locked and read anew, so that of two processes one takes it. It is taken over when its result has grown
# old, when its process is gone, and when the casino did not answer: but not by who has waited for that call
# (``watched``), or all who waited would ask the casino one after the other.
CLAIM = Statement(
    StandingRow,
    """
WITH claimed AS (
    INSERT INTO player_authentication AS last (casino_id, token_hash, flight)
    VALUES (:casino_id, :token_hash, CAST(:flight AS uuid))
    ON CONFLICT (casino_id, token_hash) DO UPDATE
    SET flight = excluded.flight, started_at = now(), ended_at = NULL, outcome = NULL, player_id = NULL, result = NULL
    WHERE last.ended_at < now() - CAST(:shared_for AS interval)
       OR (last.ended_at IS NULL AND last.started_at < now() - CAST(:lost_after AS interval))
       OR (last.outcome = 'casino_unavailable' AND last.flight IS DISTINCT FROM CAST(:watched AS uuid))
    RETURNING flight, outcome, player_id, result
)
SELECT flight, outcome, player_id, result FROM claimed
UNION ALL
SELECT flight, outcome, player_id, result FROM player_authentication
WHERE casino_id = :casino_id AND token_hash = :token_hash AND NOT EXISTS (SELECT FROM claimed)
""",
)

AGAIN = Statement(
    FlightRow,
    """
UPDATE player_authentication SET started_at = now()
WHERE casino_id = :casino_id AND token_hash = :token_hash AND flight = CAST(:flight AS uuid) AND ended_at IS NULL
RETURNING flight
""",
)

REFUSED = Statement(
    NoRow,
    """
UPDATE player_authentication SET ended_at = now(), outcome = :outcome
WHERE casino_id = :casino_id AND token_hash = :token_hash AND flight = CAST(:flight AS uuid)
""",
)

# Registers the player when new, and ends the call: what the casino has given must not wait for a second statement. Of
# two processes that register a player at once the second gets the row of the first.
KNOWN = Statement(
    PlayerRow,
    """
WITH registered AS (
    INSERT INTO player (casino_id, partner_user_id)
    SELECT :casino_id, CAST(:partner_user_id AS text)
    WHERE NOT EXISTS (SELECT FROM player WHERE casino_id = :casino_id AND partner_user_id = :partner_user_id)
    ON CONFLICT (casino_id, partner_user_id) DO UPDATE SET partner_user_id = excluded.partner_user_id
    RETURNING player_id, blocked_at
),
named AS (
    SELECT player_id, blocked_at IS NOT NULL AS blocked FROM registered
    UNION ALL
    SELECT player_id, blocked_at IS NOT NULL FROM player
    WHERE casino_id = :casino_id AND partner_user_id = :partner_user_id AND NOT EXISTS (SELECT FROM registered)
),
ended AS (
    UPDATE player_authentication AS last
    SET ended_at = now(), player_id = named.player_id,
        outcome = CASE WHEN blocked THEN 'player_blocked' ELSE 'known' END,
        result = CASE WHEN NOT blocked THEN CAST(:result AS text) END
    FROM named
    WHERE casino_id = :casino_id AND token_hash = :token_hash AND flight = CAST(:flight AS uuid)
)
SELECT player_id, blocked FROM named
""",
)

FORGET = Statement(
    NoRow,
    """
DELETE FROM player_authentication WHERE (casino_id, token_hash) IN (
    SELECT casino_id, token_hash FROM player_authentication WHERE started_at < now() - CAST(:kept_for AS interval)
    ORDER BY started_at LIMIT 1000
)
""",
)
