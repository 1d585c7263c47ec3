"""Bets with all that they have moved, as rows: for tests that ask what players have lost."""

from datetime import UTC, datetime
from typing import Any

import asyncpg

# Of ``partner_rows.PARTNERS``.
CASINO, PLAYER, GAME = 1, 1, 1

_BET = """
INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake, win, state,
                 refusal, accepted_at, closed_at)
SELECT 1, gen_random_uuid()::text, player.casino_id, $1, $2, 's', $3, $4, $5, $6,
       CASE WHEN $6 = 'refused' THEN 'no_money' END,
       CASE WHEN $6 NOT IN ('accepting', 'refused') THEN $7::timestamptz - interval '1 day' END,
       CASE WHEN $6 IN ('settled', 'refunded', 'refused') THEN $7::timestamptz END
FROM player WHERE player_id = $1
RETURNING bet_id
"""
_MOVEMENT = """
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, ended_at) VALUES ($1, $2, $3, $4, 1, $5)
"""
_REVERSAL = """
WITH reversed AS (
    INSERT INTO reversal (bet_id, state, closed_at) VALUES ($1, 'reversed', $2) RETURNING bet_id, reversal_id
)
UPDATE bet SET reversed_by = reversal_id FROM reversed WHERE bet.bet_id = reversed.bet_id
"""


def at(text: str) -> datetime:
    """Return a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Played:
    """Makes bets in a database with ``partner_rows``. Amounts are in minor units."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def settled(self, ended: str, stake: int, win: int = 0, jackpot: int = 0, **more: Any) -> int:
        """Make a bet that ended then: lost, or with winnings, which may have been ``paid`` by hand."""
        paid = more.pop("paid", "done")
        bet_id = await self._bet("settled", ended, stake, win, **more)
        await self._moved(bet_id, -1, stake, ended)
        await self._moved(bet_id, 1, win, ended, paid)
        if jackpot:
            await self._moved(bet_id, 4, jackpot, ended)
        return bet_id

    async def refunded(self, ended: str, stake: int, **more: Any) -> int:
        """Make a bet whose stake went back then."""
        bet_id = await self._bet("refunded", ended, stake, None, **more)
        await self._moved(bet_id, -1, stake, ended)
        await self._moved(bet_id, 2, stake, ended)
        return bet_id

    async def open(self, stake: int) -> int:
        """Make a bet whose stake was taken, and that has not ended."""
        bet_id = await self._bet("acceptance", "2026-01-01", stake, None)
        await self._moved(bet_id, -1, stake, "2026-01-01")
        return bet_id

    async def refused(self, ended: str, stake: int, *, taken_after_all: str | None = None) -> int:
        """Make a bet that was refused then; its stake may turn out to have been taken, and goes back."""
        bet_id = await self._bet("refused", ended, stake, None)
        await self._moved(bet_id, -1, stake, ended, "done" if taken_after_all else "refused")
        if taken_after_all:
            await self._moved(bet_id, 2, stake, taken_after_all)
            await self._connection.execute(_REVERSAL, bet_id, at(taken_after_all))
        return bet_id

    async def taken_back(self, bet_id: int, ended: str, stake: int, win: int) -> None:
        """Take a settled bet back: its win, if it had one, and its stake."""
        if win:
            await self._moved(bet_id, -2, win, ended)
        await self._moved(bet_id, 2, stake, ended)
        await self._connection.execute(_REVERSAL, bet_id, at(ended))

    async def _bet(self, state: str, ended: str, stake: int, win: int | None, **more: Any) -> int:
        player, game, currency = more.get("player", PLAYER), more.get("game", GAME), more.get("currency", "EUR")
        bet_id: int = await self._connection.fetchval(_BET, player, game, currency, stake, win, state, at(ended))
        return bet_id

    async def _moved(self, bet_id: int, transaction_type: int, amount: int, ended: str, state: str = "done") -> None:
        await self._connection.execute(_MOVEMENT, bet_id, transaction_type, amount, state, at(ended))
