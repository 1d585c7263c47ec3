"""What the API reads and writes itself: a provider's call as it comes in, what was told, tombstones."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.engine import one_row
from betcore.db.row_mapping import REVERSAL_COLUMNS, as_json, money_of, record_of
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.errors import Code
from betcore.domain.money import Money

_log = structlog.get_logger()

# One statement: claim the request id, and read the session and the bet that the call is about.
_LOOK_UP = f"""
WITH claimed AS (
    INSERT INTO request_id (provider_id, request_id) VALUES (:provider_id, :request_id)
    ON CONFLICT DO NOTHING
    RETURNING request_id
)
SELECT EXISTS (SELECT FROM claimed) AS is_new, now() AS seen_at, sentinel.seen_at AS ids_since,
       s.session_id AS s_session_id, s.currency AS session_currency, s.mode, s.ended_at,
       player.player_id AS s_player_id, player.player_ref, player.partner_user_id, player.blocked_at,
       casino.casino_id AS s_casino_id, casino.name AS casino_name, casino.disabled_at AS casino_disabled_at,
       game.game_id AS s_game_id, game.provider_game_id, game.min_bet, game.max_bet,
       game.disabled_at AS game_disabled_at,
       bet.*, {REVERSAL_COLUMNS}
FROM (VALUES (1)) AS one
LEFT JOIN request_id sentinel ON sentinel.provider_id = 0 AND sentinel.request_id = 'sentinel'
LEFT JOIN session s ON s.session_id = :session_id AND s.provider_id = :provider_id
LEFT JOIN player ON player.player_id = s.player_id
LEFT JOIN casino ON casino.casino_id = player.casino_id
LEFT JOIN game ON game.game_id = s.game_id
LEFT JOIN bet ON bet.provider_id = :provider_id AND bet.provider_bet_id = :provider_bet_id
LEFT JOIN reversal ON reversal.bet_id = bet.bet_id
"""

# A crash of PostgreSQL, a promoted replica and a restored backup have lost the request ids, and this row with them: it
# is put back with the moment at which that was noticed. No provider has its number, so that it is never forgotten.
_NOTICE = """
WITH noticed AS (
    INSERT INTO request_id (provider_id, request_id) VALUES (0, 'sentinel') ON CONFLICT DO NOTHING RETURNING seen_at
)
SELECT seen_at FROM noticed
UNION ALL
SELECT seen_at FROM request_id WHERE provider_id = 0 AND request_id = 'sentinel'
"""

_CLAIM = """
INSERT INTO request_id (provider_id, request_id) VALUES (:provider_id, :request_id)
ON CONFLICT DO NOTHING RETURNING request_id
"""

_FORGET = """
DELETE FROM request_id USING provider
WHERE provider.provider_id = request_id.provider_id
  AND seen_at < now() - 2 * make_interval(secs => CAST(profile ->> 'freshness_window' AS double precision))
"""

_FIND = f"""
SELECT bet.*, {REVERSAL_COLUMNS} FROM bet LEFT JOIN reversal USING (bet_id)
WHERE provider_id = :provider_id AND provider_bet_id = :provider_bet_id
"""

# The row decides who was told: a bet that was taken back or reversed before anybody heard of it is never told.
_TELL = """
WITH told AS (
    UPDATE bet SET told_at = coalesce(told_at, now())
    WHERE bet_id = :bet_id AND (told_at IS NOT NULL OR (withdrawn_at IS NULL AND reversed_by IS NULL))
    RETURNING bet_id
), event AS (
    INSERT INTO bet_event (bet_id, kind, data) SELECT bet_id, 'told', CAST(:data AS jsonb) FROM told
)
SELECT bet_id FROM told
"""

_LAST_BALANCE = """
SELECT coalesce(closed_balance, accepted_balance) AS balance, currency FROM bet
WHERE player_id = :player_id AND currency = :currency AND coalesce(closed_balance, accepted_balance) IS NOT NULL
ORDER BY coalesce(closed_at, accepted_at) DESC LIMIT 1
"""

_TOMBSTONE = """
WITH stone AS (
    INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency,
                     state, refusal, withdrawn_at, closed_at)
    VALUES (:provider_id, :provider_bet_id, :casino_id, :player_id, :game_id, :session_id, :currency,
            :state, :refusal, CASE WHEN CAST(:state AS text) = 'refunded' THEN now() END, now())
    ON CONFLICT (provider_id, provider_bet_id) DO NOTHING
    RETURNING *
), event AS (
    INSERT INTO bet_event (bet_id, kind, data) SELECT bet_id, 'tombstone', CAST(:data AS jsonb) FROM stone
)
SELECT * FROM stone
"""

# Without an owner: the sweep finds it, and a workflow takes it on.
_OWE_REVERSAL = """
WITH owed AS (
    INSERT INTO reversal (bet_id) SELECT bet_id FROM bet WHERE bet_id = :bet_id AND state = 'settled'
    ON CONFLICT (bet_id) DO NOTHING
    RETURNING bet_id, reversal_id
), event AS (
    INSERT INTO bet_event (bet_id, kind, data)
    SELECT bet_id, 'reversal', jsonb_build_object('reversal_id', reversal_id) FROM owed
)
SELECT bet_id FROM owed
"""

_EARLY_PAY_OUT = """
INSERT INTO early_pay_out (provider_id, provider_bet_id) VALUES (:provider_id, :provider_bet_id)
ON CONFLICT (provider_id, provider_bet_id) DO UPDATE SET provider_bet_id = excluded.provider_bet_id
RETURNING extract(epoch FROM now() - first_seen_at) AS age
"""


@dataclass(frozen=True, slots=True)
class Session:
    """A player in a game of a provider. Limits are major units of the session's currency."""

    session_id: str
    currency: str
    mode: str
    ended: bool
    player_id: int
    player_ref: str
    partner_user_id: str
    player_blocked: bool
    casino_id: int
    casino_name: str
    casino_disabled: bool
    game_id: int
    provider_game_id: str
    game_disabled: bool
    min_bet: Decimal | None
    max_bet: Decimal | None


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What stood in the database when the call came; ``seen_at`` is the database's clock.

    ``ids_since`` is since when no request id was lost: a call that was sent before may have been answered already.
    """

    seen_at: datetime
    ids_since: datetime
    session: Session | None
    record: BetRecord | None


class ProviderRequests:
    """The API's side of the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def look_up(
        self, provider_id: int, request_id: str, session_id: str, provider_bet_id: str | None
    ) -> RequestContext | None:
        """Claim the request id and read what the call is about; None where the id was used before."""
        row = await one_row(
            self._engine,
            _LOOK_UP,
            provider_id=provider_id,
            request_id=request_id,
            session_id=session_id,
            provider_bet_id=provider_bet_id,
        )
        if not row.is_new:
            return None
        return RequestContext(
            row.seen_at,
            row.ids_since or await self._noticed(),
            _session_of(row),
            record_of(row) if row.bet_id is not None else None,
        )

    async def _noticed(self) -> datetime:
        """Put down that request ids were lost; since when none was, as the first process to notice has put it down."""
        while True:
            row = await one_row(self._engine, _NOTICE)
            if row is not None:
                since: datetime = row.seen_at
                _log.error("request ids were lost: what was sent before is not known", since=since.isoformat())
                return since
            # A concurrent insert was not visible to this statement yet; it is to the next.

    async def claim(self, provider_id: int, request_id: str) -> bool:
        """Claim a request id alone, for a request that is refused before it is looked at."""
        return await one_row(self._engine, _CLAIM, provider_id=provider_id, request_id=request_id) is not None

    async def forget(self) -> None:
        """Drop request ids of twice the freshness window and older; so old a request is refused by its time."""
        async with self._engine.connect() as connection:
            await connection.execute(text(_FORGET))

    async def find(self, provider_id: int, provider_bet_id: str) -> BetRecord | None:
        """A bet's row as its provider knows it."""
        row = await one_row(self._engine, _FIND, provider_id=provider_id, provider_bet_id=provider_bet_id)
        return None if row is None else record_of(row)

    async def mark_told(self, bet_id: int, request_id: str) -> bool:
        """Record that the provider is told "done" for its PayIn; False where the bet was taken back before."""
        data = as_json({"answer": "pay_in", "request_id": request_id})
        return await one_row(self._engine, _TELL, bet_id=bet_id, data=data) is not None

    async def last_balance(self, player_id: int, currency: str) -> Money | None:
        """The balance that the casino last named for a player."""
        row = await one_row(self._engine, _LAST_BALANCE, player_id=player_id, currency=currency)
        return None if row is None else money_of(row.balance, row.currency)

    async def tombstone(
        self, provider_id: int, provider_bet_id: str, session: Session, state: BetState, refusal: Code | None
    ) -> BetRecord | None:
        """Close a bet that never came, for ever; None where there is a bet after all."""
        row = await one_row(
            self._engine,
            _TOMBSTONE,
            provider_id=provider_id,
            provider_bet_id=provider_bet_id,
            casino_id=session.casino_id,
            player_id=session.player_id,
            game_id=session.game_id,
            session_id=session.session_id,
            currency=session.currency,
            state=state,
            refusal=refusal,
            data=as_json({"state": state, "refusal": refusal}),
        )
        return None if row is None else record_of(row)

    async def owe_reversal(self, bet_id: int) -> None:
        """Put down that a settled bet is to be reversed, where nothing says so yet, for whoever takes it on."""
        await one_row(self._engine, _OWE_REVERSAL, bet_id=bet_id)

    async def early_pay_out(self, provider_id: int, provider_bet_id: str) -> float:
        """Seconds since the first PayOut for a bet that nobody has seen."""
        row = await one_row(self._engine, _EARLY_PAY_OUT, provider_id=provider_id, provider_bet_id=provider_bet_id)
        return float(row.age)


def _session_of(row: Any) -> Session | None:
    if row.s_player_id is None:
        return None
    return Session(
        session_id=row.s_session_id,
        currency=row.session_currency,
        mode=row.mode,
        ended=row.ended_at is not None,
        player_id=row.s_player_id,
        player_ref=str(row.player_ref),
        partner_user_id=row.partner_user_id,
        player_blocked=row.blocked_at is not None,
        casino_id=row.s_casino_id,
        casino_name=row.casino_name,
        casino_disabled=row.casino_disabled_at is not None,
        game_id=row.s_game_id,
        provider_game_id=row.provider_game_id,
        game_disabled=row.game_disabled_at is not None,
        min_bet=row.min_bet,
        max_bet=row.max_bet,
    )
