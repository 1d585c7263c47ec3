"""A bet or a cashback as people read it: its row, movements, events and incidents at one moment. Nothing here writes.

Amounts are text in major units, times ISO 8601 in UTC; no personal data.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any, NamedTuple

from betcore.db.database import Database, Transaction
from betcore.db.row_mapping import amount_text, time_text
from betcore.db.statement import Statement
from betcore.db.statements import bet_history, cashbacks
from betcore.db.statements.bet_history import EventRow, FoundBetRow, MovementRow, NamedBetRow, ReversalOfBetRow
from betcore.db.statements.cashbacks import ListedRow
from betcore.domain.errors import NotFound
from betcore.domain.ids import (
    BetKey,
    TransactionType,
    cashback_workflow_id,
    current_bet_workflow_id,
    current_reversal_workflow_id,
)

Json = dict[str, object]


_RESUMED = re.compile(r"resume(?:-reversal|-cashback)?:([0-9]{1,18}):[0-9]+|cashback:([0-9]{1,18})")
_FIRST = re.compile(r"(?:bet|reversal):([0-9a-f-]{36}):(.+)")


class BetWorkflows(NamedTuple):
    """A bet or a cashback, and the workflows that carry it or have carried it, the bet's first.

    ``open`` is the id of the workflow that may still act on it, None once all is over. ``state`` names the state of the
    bet and of its reversal, or that of the cashback. ``what`` it is called by people.
    """

    bet_id: int
    currency: str
    state: str
    workflow_ids: tuple[str, ...]
    open: str | None
    what: str = "bet"


class BetHistory:
    """Reads bets for people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, named: str) -> BetWorkflows:
        """Return a bet by our BetId, by ``<provider>/<betId>``, or by the id of a workflow; or a cashback by its number
        or its workflow. Raise NotFound."""
        asked = _asked(named)
        row = await self._database.one_row(asked[0], **asked[1]) if asked else None
        if row is not None:
            return _workflows_of(row)
        if asked and (number := asked[1].get("bet_id")):
            cashback = await self._database.one_row(cashbacks.SHOWN, bet_id=number)
            if cashback is not None:
                return _workflows_of_cashback(cashback)
        raise NotFound(f"there is no bet {named!r}")

    async def concerns(self, bet_id: int) -> Json:
        """Name the partners of a bet or a cashback, how much is under way, and since when."""
        row = await self._database.one_row(bet_history.CONCERNS, bet_id=bet_id)
        if row is None:
            [cashback] = await self._database.all_rows(cashbacks.SHOWN, bet_id=bet_id)
            return _concerns_of_cashback(cashback)
        return {
            "bet": f"{row.provider}/{row.provider_bet_id}",
            "casino": row.casino,
            "amount": f"{row.currency} {amount_text(row.amount, row.currency)}",
            "since": row.since.isoformat(),
        }

    async def read(self, bet_id: int) -> Json:
        """Return all that is on record of a bet or a cashback."""
        async with self._database.transaction("repeatable_read", readonly=True) as transaction:
            incidents = await transaction.all_rows(bet_history.INCIDENTS, bet_id=bet_id)
            filed = [{"incident_id": one.incident_id, "at": one.at.isoformat(), "kind": one.kind} for one in incidents]
            return await bet_now(transaction, bet_id) | {"incidents": filed}


async def known_casino(database: Database, name: str) -> None:
    """Raise NotFound if there is no casino of that name."""
    if await database.one_row(bet_history.CASINO, name=name) is None:
        raise NotFound(f"there is no casino {name!r}")


def _asked(named: str) -> tuple[Statement[FoundBetRow], dict[str, object]] | None:
    """Return the statement that finds a bet by what it is named, and what it is given; None if it names no bet."""
    if named.isascii() and named.isdigit() and len(named) <= 18:
        return bet_history.BY_NUMBER, {"bet_id": int(named)}
    if resumed := _RESUMED.fullmatch(named):
        return bet_history.BY_NUMBER, {"bet_id": int(resumed[1] or resumed[2])}
    if first := _FIRST.fullmatch(named):
        return bet_history.BY_COUNTERPARTY, {"counterparty_id": first[1], "provider_bet_id": first[2]}
    provider, slash, provider_bet_id = named.partition("/")
    given: dict[str, object] = {"provider": provider, "provider_bet_id": provider_bet_id}
    return (bet_history.BY_PROVIDER, given) if slash else None


def _workflows_of(row: FoundBetRow) -> BetWorkflows:
    key = BetKey(str(row.counterparty_id), row.provider_bet_id)
    bet = current_bet_workflow_id(key, row.bet_id, row.lives)
    state = f"{row.state} ({row.refusal})" if row.refusal else row.state
    if row.reversal_lives is None:
        return BetWorkflows(row.bet_id, row.currency, state, (bet,), None if row.closed_at else bet)
    reversal = current_reversal_workflow_id(key, row.bet_id, row.reversal_lives)
    state = f"{state}, its reversal {row.reversal_state}"
    return BetWorkflows(row.bet_id, row.currency, state, (bet, reversal), None if row.reversal_closed_at else reversal)


def _workflows_of_cashback(row: ListedRow) -> BetWorkflows:
    cashback = row.cashback
    current = cashback_workflow_id(cashback.cashback_id, cashback.lives)
    is_open = cashback.closed_at is None
    return BetWorkflows(
        cashback.cashback_id, cashback.currency, cashback.state, (current,), current if is_open else None, "cashback"
    )


def _concerns_of_cashback(row: ListedRow) -> Json:
    cashback = row.cashback
    return {
        "bet": cashback_workflow_id(cashback.cashback_id, 0),
        "casino": row.casino,
        "amount": f"{cashback.currency} {amount_text(cashback.amount, cashback.currency)}",
        "since": (cashback.cancel_asked_at or row.opened_at).isoformat(),
    }


async def bet_now(transaction: Transaction, bet_id: int | None) -> Json:
    """Return a bet or a cashback, its movements, events and reversal, as the transaction sees them; None for each
    absent one. ``archived`` has the files of events that were moved out of the database."""
    bet = await transaction.one_row(bet_history.BET, bet_id=bet_id)
    cashback = None if bet else await transaction.one_row(cashbacks.SHOWN, bet_id=bet_id)
    currency = bet.bet.currency if bet else cashback.cashback.currency if cashback else None
    if currency is None:
        return {"bet": None, "movements": [], "events": [], "archived": [], "reversal": None}
    reversals = await transaction.all_rows(bet_history.REVERSAL, bet_id=bet_id)
    found: Json = {
        "bet": _bet(bet) if bet else None,
        "movements": [
            _movement(row, currency) for row in await transaction.all_rows(bet_history.MOVEMENTS, bet_id=bet_id)
        ],
        "events": [_event(row) for row in await transaction.all_rows(bet_history.EVENTS, bet_id=bet_id)],
        "archived": [asdict(row) for row in await transaction.all_rows(bet_history.ARCHIVED, bet_id=bet_id)],
        "reversal": _reversal(reversals[0], currency) if reversals else None,
    }
    return found if cashback is None else found | {"cashback": cashback_as_json(cashback)}


def cashback_as_json(row: ListedRow) -> Json:
    """Return a cashback as people read it."""
    cashback = row.cashback
    return {
        "cashback_id": cashback.cashback_id,
        "casino": row.casino,
        "player_ref": str(row.player_ref),
        "amount": f"{cashback.currency} {amount_text(cashback.amount, cashback.currency)}",
        "state": cashback.state,
        "source": row.source,
        "key": row.key,
        "reason": row.reason,
        "promo_code": cashback.promo_code,
        "lives": cashback.lives,
        "opened_at": time_text(row.opened_at),
        "issued_at": time_text(cashback.issued_at),
        "cancel_asked_at": time_text(cashback.cancel_asked_at),
        "cancel_reason": row.cancel_reason,
        "cancel": row.cancel_is,
        "closed_at": time_text(cashback.closed_at),
    }


def _bet(row: NamedBetRow) -> Json:
    bet = row.bet
    return {
        "bet_id": bet.bet_id,
        "provider": row.provider,
        "provider_bet_id": bet.provider_bet_id,
        "casino": row.casino,
        "brand": row.brand,
        "player_ref": str(row.player_ref),
        "game": row.provider_game_id,
        "session_id": bet.session_id,
        "round_id": bet.round_id,
        "state": bet.state,
        "refusal": bet.refusal,
        "one_step": bet.one_step,
        "currency": bet.currency,
        "stake": amount_text(bet.stake, bet.currency),
        "win": amount_text(bet.win, bet.currency),
        "review": None if bet.review is None else _review(bet.review, bet.currency),
        "accepted_balance": amount_text(bet.accepted_balance, bet.currency),
        "closed_balance": amount_text(bet.closed_balance, bet.currency),
        "lives": bet.lives,
        "opened_at": time_text(bet.opened_at),
        "accepted_at": time_text(bet.accepted_at),
        "told_at": time_text(bet.told_at),
        "withdrawn_at": time_text(bet.withdrawn_at),
        "closed_at": time_text(bet.closed_at),
    }


def _review(review: Mapping[str, Any], currency: str) -> str:
    """Return a win that is or was in review in words: what is asked for, beyond which limits, and what was decided."""
    asked = review["asked"]
    win = f"{currency} {amount_text(Decimal(asked['win']), currency)}"
    if asked["jackpot"] is not None:
        win += f" with a jackpot of {amount_text(Decimal(asked['jackpot']), currency)}"
    elif asked["jackpot_id"] is not None:
        win += f" with pool {asked['jackpot_id']}"
    return f"{review['state']}: {win}, beyond {', '.join(review['reasons'])}"


def _movement(row: MovementRow, currency: str) -> Json:
    return {
        "type": row.transaction_type,
        "name": TransactionType(row.transaction_type).name.lower(),
        "amount": amount_text(row.amount, currency),
        "state": row.state,
        "attempts": row.attempts,
        "error_code": row.error_code,
        "partner_transaction_id": row.partner_transaction_id,
        "accept_code": row.accept_code,
        "first_sent_at": time_text(row.first_sent_at),
        "not_after": time_text(row.not_after),
        "accept_at": time_text(row.accept_at),
        "awaited_until": time_text(row.awaited_until),
        "ended_at": time_text(row.ended_at),
    }


def _event(row: EventRow) -> Json:
    return {"event_id": row.event_id, "at": row.at.isoformat(), "kind": row.kind, "data": row.data}


def _reversal(row: ReversalOfBetRow, currency: str) -> Json:
    return {
        "reversal_id": row.reversal_id,
        "state": row.state,
        "lives": row.lives,
        "closed_balance": amount_text(row.closed_balance, currency),
        "opened_at": time_text(row.opened_at),
        "closed_at": time_text(row.closed_at),
    }
