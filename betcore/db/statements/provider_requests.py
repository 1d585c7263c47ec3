"""The statements behind ``betcore.db.provider_requests``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from betcore.db.row_mapping import BetRow, BetWithReversal
from betcore.db.statement import NoRow, Statement
from betcore.db.statements.limits import STRICTEST_LIMITS
from betcore.db.statements.reversals import REVERSAL


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session for real money with its player, casino and game; limits are the strictest of all three.

    ``over`` is whether it was ended, or has expired.
    """

    session_player_id: int
    s_session_id: str
    session_currency: str
    over: bool
    player_ref: UUID
    partner_user_id: str
    blocked_at: datetime | None
    session_casino_id: int
    casino_name: str
    casino_disabled_at: datetime | None
    session_game_id: int
    provider_game_id: str
    min_bet: Decimal | None
    max_bet: Decimal | None
    game_disabled_at: datetime | None
    tag_id: int


@dataclass(frozen=True, slots=True)
class LookedUpRow:
    """Whether a request id is new, and what its call is about: a session, or a demo in some currency."""

    is_new: bool
    seen_at: datetime
    ids_since: datetime | None
    demo_currency: str | None
    session: SessionRow | None
    round_state: str | None
    found: BetWithReversal | None


@dataclass(frozen=True, slots=True)
class NoticedRow:
    """Since when no request id was lost."""

    seen_at: datetime


@dataclass(frozen=True, slots=True)
class RequestIdRow:
    """A request id that was claimed."""

    request_id: str


@dataclass(frozen=True, slots=True)
class ClaimUnlessKnownRow:
    """Whether a bet has a row, and if it has none, whether the request id is new."""

    is_known: bool
    is_new: bool


@dataclass(frozen=True, slots=True)
class BetIdRow:
    """A bet that was changed."""

    bet_id: int


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """A balance in minor units of its currency, and when a movement brought it."""

    balance: Decimal
    currency: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AgeRow:
    """Seconds since something was first seen."""

    age: Decimal


# One statement: claim the request id, and read the session and the bet that the call is about.
LOOK_UP = Statement(
    LookedUpRow,
    f"""
WITH claimed AS (
    INSERT INTO request_id (provider_id, request_id) VALUES (:provider_id, :request_id)
    ON CONFLICT DO NOTHING
    RETURNING request_id
),
{REVERSAL}
SELECT EXISTS (SELECT FROM claimed) AS is_new, now() AS seen_at, sentinel.seen_at AS ids_since,
       CASE WHEN s.mode = 'demo' THEN s.currency END AS demo_currency,
       CASE WHEN s.mode = 'real' THEN s.player_id END AS session_player_id,
       player.player_ref, player.partner_user_id, player.blocked_at,
       s.session_id AS s_session_id, s.currency AS session_currency, s.tag_id,
       s.state = 'ended' OR coalesce(s.expires_at <= now(), false)
           OR s.seen_at <= now() - CAST(:session_idle AS interval) AS over,
       casino.casino_id AS session_casino_id, casino.name AS casino_name, casino.disabled_at AS casino_disabled_at,
       game.game_id AS session_game_id, game.provider_game_id,
       coalesce(game.disabled_at, game.gone_at) AS game_disabled_at, strictest.min_bet, strictest.max_bet,
       (SELECT live_round.state FROM live_round
        WHERE live_round.round_id = :round_id AND live_round.provider_id = :provider_id) AS round_state,
       bet.*, its_reversal.*
FROM (VALUES (1)) AS one
LEFT JOIN request_id sentinel ON sentinel.provider_id = 0 AND sentinel.request_id = 'sentinel'
LEFT JOIN session s ON s.session_id = :session_id AND s.provider_id = :provider_id
LEFT JOIN player ON player.player_id = s.player_id
LEFT JOIN casino ON casino.casino_id = player.casino_id
LEFT JOIN game ON game.game_id = s.game_id
{STRICTEST_LIMITS}
LEFT JOIN bet ON bet.provider_id = :provider_id AND bet.provider_bet_id = :provider_bet_id
LEFT JOIN its_reversal ON reversed_bet_id = bet.bet_id
""",
)

# A crash of PostgreSQL, a promoted replica and a restored backup have lost the request ids, and this row with them: it
# is inserted again with the moment at which that was noticed. No provider has its number, so that it is never deleted.
NOTICE = Statement(
    NoticedRow,
    """
WITH noticed AS (
    INSERT INTO request_id (provider_id, request_id) VALUES (0, 'sentinel') ON CONFLICT DO NOTHING RETURNING seen_at
)
SELECT seen_at FROM noticed
UNION ALL
SELECT seen_at FROM request_id WHERE provider_id = 0 AND request_id = 'sentinel'
""",
)

CLAIM = Statement(
    RequestIdRow,
    """
INSERT INTO request_id (provider_id, request_id) VALUES (:provider_id, :request_id)
ON CONFLICT DO NOTHING RETURNING request_id
""",
)

# For a stake that is turned away. The id of a known bet's call is left to the look-up that follows.
CLAIM_UNLESS_KNOWN = Statement(
    ClaimUnlessKnownRow,
    """
WITH known AS (
    SELECT FROM bet WHERE provider_id = :provider_id AND provider_bet_id = :provider_bet_id
),
claimed AS (
    INSERT INTO request_id (provider_id, request_id)
    SELECT :provider_id, :request_id WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT DO NOTHING
    RETURNING request_id
)
SELECT EXISTS (SELECT FROM known) AS is_known, EXISTS (SELECT FROM claimed) AS is_new
""",
)

# By the index, from the oldest on: joined to the providers as a whole, all ids would be read each time. What is left
# over goes the next time.
FORGET = Statement(
    NoRow,
    """
DELETE FROM request_id WHERE ctid = ANY (ARRAY(
    SELECT old.ctid FROM provider, LATERAL (
        SELECT ctid FROM request_id
        WHERE request_id.provider_id = provider.provider_id
          AND seen_at < now() - 2 * make_interval(secs => CAST(profile ->> 'freshness_window' AS double precision))
        ORDER BY seen_at LIMIT 50000
    ) AS old
))
""",
)

FIND = Statement(
    BetWithReversal,
    f"""
WITH {REVERSAL}
SELECT * FROM bet LEFT JOIN its_reversal ON reversed_bet_id = bet_id
WHERE provider_id = :provider_id AND provider_bet_id = :provider_bet_id
""",
)

# The row decides whether the API may answer "done": never for a bet that was taken back or reversed before.
MARK_TOLD = Statement(
    BetIdRow,
    """
WITH told AS (
    UPDATE bet SET told_at = coalesce(told_at, now())
    WHERE bet_id = :bet_id AND (told_at IS NOT NULL OR (withdrawn_at IS NULL AND reversed_by IS NULL))
    RETURNING bet_id
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data) SELECT bet_id, 'told', CAST(:data AS jsonb) FROM told
)
SELECT bet_id FROM told
""",
)

# The newest of the bets that have ended, of the reversals that have ended, and of the bets that are open, each by its
# index. A refused bet names no balance. Of more than twenty open bets of one player those opened last are read, of more
# than twenty reversals those that ended last.
LAST_BALANCE = Statement(
    BalanceRow,
    """
WITH named AS (
    (SELECT closed_at AS at, coalesce(closed_balance, accepted_balance) AS balance, currency FROM bet
     WHERE player_id = :player_id AND currency = :currency AND refusal IS NULL AND closed_at IS NOT NULL
       AND coalesce(closed_balance, accepted_balance) IS NOT NULL
     ORDER BY closed_at DESC LIMIT 1)
    UNION ALL
    (SELECT closed_at, closed_balance, reversed_currency FROM reversal
     WHERE reversed_player_id = :player_id AND reversed_currency = :currency AND closed_at IS NOT NULL
     ORDER BY closed_at DESC LIMIT 20)
    UNION ALL
    (SELECT accepted_at, accepted_balance, currency FROM bet
     WHERE player_id = :player_id AND currency = :currency AND refusal IS NULL AND closed_at IS NULL
     ORDER BY closed_at DESC, bet_id DESC LIMIT 20)
)
SELECT balance, currency, at FROM named WHERE balance IS NOT NULL ORDER BY at DESC LIMIT 1
""",
)

TOMBSTONE = Statement(
    BetRow,
    """
WITH stone AS (
    INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, brand,
                     state, refusal, withdrawn_at, closed_at)
    VALUES (:provider_id, :provider_bet_id, :casino_id, :player_id, :game_id, :session_id, :currency,
            (SELECT brand FROM session WHERE session_id = :session_id),
            :state, :refusal, CASE WHEN CAST(:state AS text) = 'refunded' THEN now() END, now())
    ON CONFLICT (provider_id, provider_bet_id) DO NOTHING
    RETURNING *
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data) SELECT bet_id, 'tombstone', CAST(:data AS jsonb) FROM stone
)
SELECT * FROM stone
""",
)

# Without an owner: the sweep finds it and starts its workflow.
OWE_REVERSAL = Statement(
    BetIdRow,
    """
WITH owed AS (
    INSERT INTO reversal (bet_id) SELECT bet_id FROM bet
    WHERE bet_id = :bet_id AND state = 'settled' AND jackpot IS NULL
    ON CONFLICT (bet_id) DO NOTHING
    RETURNING bet_id, reversal_id
),
event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'reversal', jsonb_build_object('reversal_id', reversal_id) || CAST(:proof AS jsonb) FROM owed
)
SELECT bet_id FROM owed
""",
)

EARLY_PAY_OUT = Statement(
    AgeRow,
    """
INSERT INTO early_pay_out (provider_id, provider_bet_id) VALUES (:provider_id, :provider_bet_id)
ON CONFLICT (provider_id, provider_bet_id) DO UPDATE SET provider_bet_id = excluded.provider_bet_id
RETURNING extract(epoch FROM now() - first_seen_at) AS age
""",
)
