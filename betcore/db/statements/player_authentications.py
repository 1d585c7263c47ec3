"""The statements behind ``betcore.db.player_authentications``, and the parts that launches share with them.

A part is a whole CTE. It reads the CTEs that its comment names.
"""

from dataclasses import dataclass
from uuid import UUID

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class AuthenticationRow:
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


# If there is a row in ``due``, claims the call for a token; ``standing`` is the call that stands for the token then.
# The row is locked and read anew, so that of two processes one takes it. It is taken over when its result has grown
# old, when its process is gone, and when the casino did not answer: but not by who has waited for that call
# (``watched``), or all who waited would ask the casino one after the other.
CLAIMED = """claimed AS (
    INSERT INTO player_authentication AS last (casino_id, token_hash, flight)
    SELECT :casino_id, :token_hash, CAST(:flight AS uuid) FROM due
    ON CONFLICT (casino_id, token_hash) DO UPDATE
    SET flight = excluded.flight, started_at = now(), ended_at = NULL, outcome = NULL, player_id = NULL, result = NULL
    WHERE last.ended_at < now() - CAST(:shared_for AS interval)
       OR (last.ended_at IS NULL AND last.started_at < now() - CAST(:lost_after AS interval))
       OR (last.outcome = 'casino_unavailable' AND last.flight IS DISTINCT FROM CAST(:watched AS uuid))
    RETURNING flight, outcome, player_id, result
),
standing AS (
    SELECT flight, outcome, player_id, result FROM claimed
    UNION ALL
    SELECT flight, outcome, player_id, result FROM player_authentication
    WHERE casino_id = :casino_id AND token_hash = :token_hash AND NOT EXISTS (SELECT FROM claimed)
)"""

# Registers a player when new; ``named`` is the player, or no row if none is named. Of two processes that register a
# player at once the second gets the row of the first.
REGISTERED = """registered AS (
    INSERT INTO player (casino_id, partner_user_id)
    SELECT :casino_id, CAST(:partner_user_id AS text)
    WHERE CAST(:partner_user_id AS text) IS NOT NULL
      AND NOT EXISTS (SELECT FROM player WHERE casino_id = :casino_id AND partner_user_id = :partner_user_id)
    ON CONFLICT (casino_id, partner_user_id) DO UPDATE SET partner_user_id = excluded.partner_user_id
    RETURNING player_id, player_ref, blocked_at
),
named AS (
    SELECT player_id, player_ref, blocked_at IS NOT NULL AS blocked FROM registered
    UNION ALL
    SELECT player_id, player_ref, blocked_at IS NOT NULL FROM player
    WHERE casino_id = :casino_id AND partner_user_id = :partner_user_id AND NOT EXISTS (SELECT FROM registered)
)"""

# Keeps what the casino has given for a token with the player in ``named``, if the call is still that of this process.
KEPT = """kept AS (
    UPDATE player_authentication AS last
    SET ended_at = now(), player_id = named.player_id,
        outcome = CASE WHEN blocked THEN 'player_blocked' ELSE 'known' END,
        result = CASE WHEN NOT blocked THEN CAST(:result AS text) END
    FROM named
    WHERE casino_id = :casino_id AND token_hash = :token_hash AND flight = CAST(:flight AS uuid)
)"""

CLAIM = Statement(
    AuthenticationRow,
    f"""
WITH due AS (
    SELECT
),
{CLAIMED}
SELECT flight, outcome, player_id, result FROM standing
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

# Ends the call and registers the player: what the casino has given must not wait for a second statement.
KNOWN = Statement(
    PlayerRow,
    f"""
WITH {REGISTERED},
{KEPT}
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
