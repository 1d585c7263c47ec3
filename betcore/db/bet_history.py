"""A bet as people read it: its row, movements, events, reversal and incidents, of one moment. Nothing here writes.

Amounts are text in major units, times ISO 8601 in UTC; no personal data.
"""

import re
from typing import Any, NamedTuple

from sqlalchemy import Executable, Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from betcore.db.engine import one_row
from betcore.db.row_mapping import amount_text as _amount
from betcore.domain.errors import NotFound
from betcore.domain.ids import BetKey, TransactionType, current_bet_workflow_id, current_reversal_workflow_id

Json = dict[str, Any]

_BET = """
SELECT bet.*, provider.name AS provider, casino.name AS casino, player_ref, provider_game_id
FROM bet
JOIN provider USING (provider_id)
JOIN casino ON casino.casino_id = bet.casino_id
JOIN player ON player.player_id = bet.player_id
JOIN game ON game.game_id = bet.game_id
WHERE bet_id = :bet_id
"""
_MOVEMENTS = "SELECT * FROM movement WHERE bet_id = :bet_id ORDER BY first_sent_at, transaction_type"
_EVENTS = "SELECT event_id, at, kind, data FROM bet_event WHERE bet_id = :bet_id ORDER BY event_id"
_REVERSAL = "SELECT * FROM reversal WHERE bet_id = :bet_id"
_INCIDENTS = "SELECT incident_id, at, kind FROM incident WHERE bet_id = :bet_id ORDER BY incident_id"

# What is under way, or waits for a person, says how much it is about and since when; else the stake, since it came.
_CONCERNS = """
SELECT provider.name AS provider, provider_bet_id, casino.name AS casino, bet.currency,
       coalesce(moving.amount, stake) AS amount, coalesce(moving.first_sent_at, bet.opened_at) AS since
FROM bet
JOIN provider USING (provider_id)
JOIN casino ON casino.casino_id = bet.casino_id
LEFT JOIN LATERAL (
    SELECT amount, first_sent_at FROM movement
    WHERE movement.bet_id = bet.bet_id AND movement.state IN ('sending', 'parked')
    ORDER BY first_sent_at DESC LIMIT 1
) AS moving ON true
WHERE bet.bet_id = :bet_id
"""

_CARRIED = """
SELECT bet.bet_id, bet.state, bet.refusal, bet.currency, bet.lives, bet.closed_at, counterparty_id, provider_bet_id,
       reversal.lives AS reversal_lives, reversal.state AS reversal_state,
       reversal.bet_id IS NOT NULL AS has_reversal, reversal.closed_at AS reversal_closed_at
FROM bet JOIN provider USING (provider_id) LEFT JOIN reversal USING (bet_id)
"""
_NAMED = {
    "number": "WHERE bet.bet_id = :bet_id",
    "provider": "WHERE provider.name = :provider AND provider_bet_id = :provider_bet_id",
    "counterparty": "WHERE counterparty_id::text = :provider AND provider_bet_id = :provider_bet_id",
}
_RESUMED = re.compile(r"resume(?:-reversal)?:([0-9]{1,18}):[0-9]+")
_FIRST = re.compile(r"(?:bet|reversal):([0-9a-f-]{36}):(.+)")


class BetWorkflows(NamedTuple):
    """A bet and the workflows that carry it, or have carried it, the bet's first. ``open`` is the id of the one that
    may still act on it; None where all is over. ``state`` says how bet and reversal stand."""

    bet_id: int
    currency: str
    state: str
    workflow_ids: tuple[str, ...]
    open: str | None


class BetHistory:
    """Reads bets for people."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, named: str) -> BetWorkflows:
        """A bet by our BetId, by ``<provider>/<betId>``, or by the id of a workflow. Raises NotFound."""
        how, given = _asked(named)
        row = await one_row(self._engine, _CARRIED + _NAMED[how], **given) if how else None
        if row is None:
            raise NotFound(f"there is no bet {named!r}")
        return _carried(row)

    async def concerns(self, bet_id: int) -> Json:
        """Whose bet it is, and what is under way: how much, and since when."""
        row = await one_row(self._engine, _CONCERNS, bet_id=bet_id)
        return {
            "bet": f"{row.provider}/{row.provider_bet_id}",
            "casino": row.casino,
            "amount": f"{row.currency} {_amount(row.amount, row.currency)}",
            "since": row.since.isoformat(),
        }

    async def told(self, bet_id: int) -> Json:
        """All that is on record of a bet."""
        async with self._engine.execution_options(isolation_level="REPEATABLE READ").begin() as connection:
            incidents = await connection.execute(text(_INCIDENTS), {"bet_id": bet_id})
            filed = [{"incident_id": one.incident_id, "at": one.at.isoformat(), "kind": one.kind} for one in incidents]
            return await bet_now(connection, bet_id) | {"incidents": filed}


async def known_casino(engine: AsyncEngine, name: str) -> None:
    """Raises NotFound where there is no casino of that name."""
    if await one_row(engine, "SELECT 1 FROM casino WHERE name = :name", name=name) is None:
        raise NotFound(f"there is no casino {name!r}")


def _asked(named: str) -> tuple[str, Json]:
    if named.isascii() and named.isdigit() and len(named) <= 18:
        return "number", {"bet_id": int(named)}
    if resumed := _RESUMED.fullmatch(named):
        return "number", {"bet_id": int(resumed[1])}
    if first := _FIRST.fullmatch(named):
        return "counterparty", {"provider": first[1], "provider_bet_id": first[2]}
    provider, slash, provider_bet_id = named.partition("/")
    return ("provider", {"provider": provider, "provider_bet_id": provider_bet_id}) if slash else ("", {})


def _carried(row: Any) -> BetWorkflows:
    key = BetKey(str(row.counterparty_id), row.provider_bet_id)
    bet = current_bet_workflow_id(key, row.bet_id, row.lives)
    state = f"{row.state} ({row.refusal})" if row.refusal else row.state
    if not row.has_reversal:
        return BetWorkflows(row.bet_id, row.currency, state, (bet,), None if row.closed_at else bet)
    reversal = current_reversal_workflow_id(key, row.bet_id, row.reversal_lives)
    state = f"{state}, its reversal {row.reversal_state}"
    return BetWorkflows(row.bet_id, row.currency, state, (bet, reversal), None if row.reversal_closed_at else reversal)


async def bet_now(connection: AsyncConnection, bet_id: int | None) -> Json:
    """A bet, its movements, events and reversal, as the connection's transaction sees them; None where it has none."""

    async def rows(query: Executable) -> list[Row[Any]]:
        return list(await connection.execute(query, {"bet_id": bet_id}))

    found = await rows(text(_BET))
    if not found:
        return {"bet": None, "movements": [], "events": [], "reversal": None}
    bet = found[0]
    reversal = await rows(text(_REVERSAL))
    return {
        "bet": _bet(bet),
        "movements": [_movement(row, bet.currency) for row in await rows(text(_MOVEMENTS))],
        "events": [_event(row) for row in await rows(text(_EVENTS).columns(data=JSONB))],
        "reversal": _reversal(reversal[0], bet.currency) if reversal else None,
    }


def _bet(row: Row[Any]) -> Json:
    return {
        "bet_id": row.bet_id,
        "provider": row.provider,
        "provider_bet_id": row.provider_bet_id,
        "casino": row.casino,
        "player_ref": str(row.player_ref),
        "game": row.provider_game_id,
        "session_id": row.session_id,
        "round_id": row.round_id,
        "state": row.state,
        "refusal": row.refusal,
        "one_step": row.one_step,
        "currency": row.currency,
        "stake": _amount(row.stake, row.currency),
        "win": _amount(row.win, row.currency),
        "accepted_balance": _amount(row.accepted_balance, row.currency),
        "closed_balance": _amount(row.closed_balance, row.currency),
        "lives": row.lives,
        **_times(row, "opened_at", "accepted_at", "told_at", "withdrawn_at", "closed_at"),
    }


def _movement(row: Row[Any], currency: str) -> Json:
    return {
        "type": row.transaction_type,
        "name": TransactionType(row.transaction_type).name.lower(),
        "amount": _amount(row.amount, currency),
        "state": row.state,
        "attempts": row.attempts,
        "error_code": row.error_code,
        "partner_transaction_id": row.partner_transaction_id,
        "accept_code": row.accept_code,
        **_times(row, "first_sent_at", "not_after", "accept_at", "awaited_until", "ended_at"),
    }


def _event(row: Row[Any]) -> Json:
    return {"event_id": row.event_id, "at": row.at.isoformat(), "kind": row.kind, "data": row.data}


def _reversal(row: Row[Any], currency: str) -> Json:
    return {
        "reversal_id": row.reversal_id,
        "state": row.state,
        "lives": row.lives,
        "closed_balance": _amount(row.closed_balance, currency),
        **_times(row, "opened_at", "closed_at"),
    }


def _times(row: Row[Any], *names: str) -> dict[str, str | None]:
    found = {name: row._mapping[name] for name in names}
    return {name: None if moment is None else moment.isoformat() for name, moment in found.items()}
