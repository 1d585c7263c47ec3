"""The statements behind ``betcore.db.frame_sessions``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class FrameSessionRow:
    """A session of the frame; ``in_force`` is whether it was used in time."""

    casino_id: int
    player_id: int | None
    partner_user_id: str | None
    blocked: bool
    currency: str | None
    refresh_token: str | None
    language: str
    view_type: str
    tag_id: int
    in_force: bool


@dataclass(frozen=True, slots=True)
class AskedRow:
    """A balance that this process is to ask for."""

    asked_at: datetime


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A balance in minor units, as the casino had it at a time."""

    balance: Decimal
    balance_at: datetime


@dataclass(frozen=True, slots=True)
class EndedRow:
    """A session of a game that is ended."""

    session_id: str


OPEN = Statement(
    NoRow,
    """
INSERT INTO frame_session (bearer_hash, casino_id, player_id, currency, refresh_token, token_hash, language, view_type,
                           tag_id, expires_at)
VALUES (:bearer_hash, :casino_id, CAST(:player_id AS bigint), CAST(:currency AS text), CAST(:refresh_token AS text),
        CAST(:token_hash AS text), :language, :view_type, :tag_id, now() + CAST(:idle AS interval))
""",
)

# Written once a minute at most, although each call counts.
USE = Statement(
    FrameSessionRow,
    """
WITH used AS (
    UPDATE frame_session
    SET expires_at = least(now() + CAST(:idle AS interval), authenticated_at + CAST(:lifetime AS interval))
    WHERE bearer_hash = :bearer_hash AND expires_at > now()
      AND expires_at < now() + CAST(:idle AS interval) - interval '1 minute'
)
SELECT of_frame.casino_id, player_id, partner_user_id, coalesce(blocked_at IS NOT NULL, false) AS blocked, currency,
       refresh_token, language, view_type, tag_id, expires_at > now() AS in_force
FROM frame_session AS of_frame
LEFT JOIN player USING (player_id)
WHERE bearer_hash = :bearer_hash
""",
)

# The casino takes a token once: every frame that holds the one which was exchanged (``held``) gets the next one, or the
# frame that is used later could not be renewed any more.
RENEW = Statement(
    NoRow,
    """
UPDATE frame_session
SET currency = CAST(:currency AS text), refresh_token = CAST(:refresh_token AS text),
    token_hash = CAST(:token_hash AS text), authenticated_at = now(), expires_at = now() + CAST(:idle AS interval)
WHERE player_id = :player_id AND (bearer_hash = :bearer_hash OR token_hash = :held)
""",
)

FORGET = Statement(
    NoRow,
    """
DELETE FROM frame_session WHERE bearer_hash IN (
    SELECT bearer_hash FROM frame_session WHERE expires_at < now() - CAST(:kept_for AS interval)
    ORDER BY expires_at LIMIT 1000
)
""",
)

# A visitor who has logged in meanwhile ends the demo that he began before.
END_GAME = Statement(
    EndedRow,
    """
UPDATE session SET state = 'ended', end_reason = 'closed', ended_at = now()
WHERE session_id = :session_id AND state <> 'ended'
  AND (player_id = CAST(:player_id AS bigint) OR (player_id IS NULL AND visited_casino_id = :casino_id))
RETURNING session_id
""",
)

# Of all processes one asks, and none again for a while.
ASK_BALANCE = Statement(
    AskedRow,
    """
INSERT INTO shown_balance AS last (player_id, currency, asked_at) VALUES (:player_id, :currency, now())
ON CONFLICT (player_id, currency) DO UPDATE SET asked_at = now()
WHERE last.asked_at <= now() - CAST(:at_most_every AS interval)
RETURNING asked_at
""",
)

KEEP_BALANCE = Statement(
    NoRow,
    """
UPDATE shown_balance SET balance = CAST(:balance AS numeric), balance_at = CAST(:asked_at AS timestamptz)
WHERE player_id = :player_id AND currency = :currency
  AND coalesce(balance_at < CAST(:asked_at AS timestamptz), true)
""",
)

SHOWN_BALANCE = Statement(
    ShownRow,
    """
SELECT balance, balance_at FROM shown_balance
WHERE player_id = :player_id AND currency = :currency AND balance IS NOT NULL
""",
)
