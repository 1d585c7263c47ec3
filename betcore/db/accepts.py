"""The casino's Accepts, stored in the rows of the movements that they confirm or refuse.

An Accept never ends a movement: the workflow that carries it reads the row and decides.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.bets import Confirmation, confirmation_in
from betcore.db.engine import one_row
from betcore.db.row_mapping import as_json, record_of
from betcore.db.statements import accepts
from betcore.domain import casino_values
from betcore.domain.bet import BetRecord
from betcore.domain.casino_values import Doubt, same_identity
from betcore.domain.ids import (
    BetKey,
    TransactionType,
    current_bet_workflow_id,
    current_reversal_workflow_id,
    transaction_id,
)
from betcore.domain.money import Money


@dataclass(frozen=True, slots=True)
class CasinoAccept:
    """What a casino says of a movement. ``amount`` and ``balance`` are text, as the casino has written them, in major
    units of the bet's currency.

    ``alike`` are all ErrorCodes that mean the same at this casino; ``success`` tells whether they mean that it is done.
    """

    bet_id: int
    transaction_type: TransactionType
    amount: str
    partner_user_id: str
    error_code: str
    alike: tuple[str, ...]
    success: bool
    partner_transaction_id: str | None = None
    transaction_id: str | None = None
    balance: str | None = None
    message: str | None = None


class Outcome(StrEnum):
    """What became of an Accept."""

    STORED = "stored"
    REPEATED = "repeated"
    CONTRADICTED = "contradicted"
    UNKNOWN = "unknown"
    LATER = "later"  # a success while a refusal of before is being judged: to be told again
    ENDED = "ended"  # a success for a stake whose bet has ended without it: it is owed back


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an Accept, and who has to know.

    ``hinted``: the movement is open, an activity may wait for it in the fast lane. ``workflow_id`` is the id of the
    workflow to signal, None if none waits. ``ended`` is the bet, and ``confirmation`` the casino's, if a stake was
    taken after its bet's end. ``reason`` says in what a contradiction is one.
    """

    outcome: Outcome
    hinted: bool = False
    workflow_id: str | None = None
    ended: BetRecord | None = None
    confirmation: Confirmation | None = None
    reason: Doubt | None = field(default=None, compare=False)


class Accepts:
    """The Accepts of one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def store(self, casino_id: int, accept: CasinoAccept) -> Stored:
        """Store an Accept; the first one stands. A contradiction files an incident and changes nothing.

        A movement that was never sent, and another casino's bet, are as unknown as a bet that there is not.
        """
        bet = await one_row(self._engine, accepts.CURRENCY, bet_id=accept.bet_id, casino_id=casino_id)
        if bet is None:
            return Stored(Outcome.UNKNOWN)
        balance = casino_values.balance(accept.balance, bet.currency).money
        row = await one_row(self._engine, accepts.STORE, **_given(accept, bet, balance))
        if row is None:
            return Stored(Outcome.UNKNOWN)
        outcome = Outcome(row.verdict)
        if outcome is Outcome.ENDED:
            word = Confirmation(accept.error_code, accept.partner_transaction_id, balance)
            return Stored(outcome, ended=record_of(row), confirmation=word)
        if outcome is Outcome.CONTRADICTED:
            return Stored(outcome, reason=Doubt(row.reason))
        if outcome is Outcome.LATER:
            return Stored(outcome)
        # Repeated too: the first one's hint and signal may have been lost. But a refusal never wakes a parked movement.
        hinted = row.movement_state == "sending" and not row.judged_before
        waits = (hinted and row.awaited) or (row.movement_state == "parked" and accept.success)
        return Stored(outcome, hinted, _workflow_id(row, accept.transaction_type) if waits else None)

    async def unread(self, casino_id: int, bet_id: int | None, kind: int | None, doubt: Doubt) -> None:
        """Write down, once, that an Accept for a bet could not be read, for a person to look at. Nothing is kept of one
        whose bet cannot be read, or is not this casino's."""
        if bet_id is None:
            return
        said = as_json({"type": kind, "reason": doubt})
        async with self._engine.connect() as connection:
            given = {"bet_id": bet_id, "casino_id": casino_id, "said": said}
            await connection.execute(text(accepts.UNREAD), given)

    async def read(self, bet_id: int, transaction_type: TransactionType) -> Confirmation | None:
        """The Accept of a movement; None where there is none."""
        row = await one_row(self._engine, accepts.READ, bet_id=bet_id, kind=int(transaction_type))
        return row and confirmation_in(row, row.currency)


def _given(accept: CasinoAccept, bet: Any, balance: Money | None) -> dict[str, Any]:
    kind, named = accept.transaction_type, accept.transaction_id
    major = casino_values.amount(accept.amount, debit=kind.is_debit)
    # None is no amount of any movement: it is below zero, or finer than the currency.
    amount = None if major is None else casino_values.money(major, bet.currency)
    ours = bet.partner_user_id
    said = {
        "type": int(kind),
        "error_code": accept.error_code,
        "partner_transaction_id": accept.partner_transaction_id,
    }
    return {
        "bet_id": accept.bet_id,
        "kind": int(kind),
        "amount": amount.minor if amount else -1,
        "partner_user_id": ours if same_identity(ours, accept.partner_user_id) else accept.partner_user_id,
        "differs": named not in (None, transaction_id(accept.bet_id, kind)),
        "success": accept.success,
        "alike": list(accept.alike),
        "error_code": accept.error_code,
        "partner_transaction_id": accept.partner_transaction_id,
        "balance": balance.minor if balance else None,
        "event": as_json({**said, "message": accept.message}),
        "theirs": as_json({**said, "minor_units": amount.minor if amount else accept.amount, "transaction_id": named}),
    }


def _workflow_id(row: Any, kind: TransactionType) -> str:
    """The workflow that carries a movement. A life that began this moment is not seen yet: it reads the row itself."""
    key = BetKey(str(row.counterparty_id), row.provider_bet_id)
    reverses = kind is TransactionType.BET_RETURN and row.reversal_id is not None
    if kind is TransactionType.PAY_OUT_RETURN or reverses:
        return current_reversal_workflow_id(key, row.bet_id, row.reversal_lives or 0)
    return current_bet_workflow_id(key, row.bet_id, row.lives)
