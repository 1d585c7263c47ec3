"""The Accepts of casinos, stored in the rows of the movements that they confirm or refuse.

An Accept never ends a movement: the workflow that carries the movement reads the row and decides.
"""

from betcore.db.database import Database
from betcore.db.row_mapping import as_json, money_of, record_of
from betcore.db.statements import accepts
from betcore.db.statements.accepts import PlayedRow, StoredForCashbackRow, StoredRow
from betcore.domain import casino_values
from betcore.domain.accepts import AcceptOutcome, CasinoAccept, StoredAccept
from betcore.domain.casino_values import Doubt, same_identity
from betcore.domain.claims import Confirmation
from betcore.domain.ids import (
    BetKey,
    TransactionType,
    cashback_workflow_id,
    current_bet_workflow_id,
    current_reversal_workflow_id,
    transaction_id,
)
from betcore.domain.money import Money


class Accepts:
    """The Accepts of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, casino_id: int, accept: CasinoAccept) -> StoredAccept:
        """Store an Accept; the first one stands. A contradiction files an incident and changes nothing.

        A movement that was never sent and a bet or cashback of another casino are as unknown as one that does not
        exist.
        """
        played = accepts.PLAYED_CASHBACK if accept.cashback else accepts.PLAYED
        bet = await self._database.one_row(played, bet_id=accept.bet_id, casino_id=casino_id)
        if bet is None:
            return StoredAccept(AcceptOutcome.UNKNOWN)
        balance = casino_values.balance(accept.balance, bet.currency).money
        given = _given(accept, bet, balance)
        row: StoredRow | StoredForCashbackRow | None
        if accept.cashback:
            row = await self._database.one_row(accepts.STORE_FOR_CASHBACK, **given)
        else:
            row = await self._database.one_row(accepts.STORE, **given)
        if row is None:
            return StoredAccept(AcceptOutcome.UNKNOWN)
        outcome = AcceptOutcome(row.verdict)
        if outcome is AcceptOutcome.ENDED and isinstance(row, StoredRow):
            confirmation = Confirmation(accept.error_code, accept.partner_transaction_id, balance)
            return StoredAccept(outcome, ended=record_of(row.bet), confirmation=confirmation)
        if outcome is AcceptOutcome.CONTRADICTED:
            return StoredAccept(outcome, reason=Doubt(row.reason))
        if outcome is AcceptOutcome.LATER:
            return StoredAccept(outcome)
        # Repeated too: the first one's hint and signal may have been lost. But a refusal never wakes a parked movement.
        hinted = row.movement_state == "sending" and not row.judged_before
        waits = (hinted and row.awaited) or (row.movement_state == "parked" and accept.success)
        return StoredAccept(outcome, hinted, _workflow_id(row, accept.transaction_type) if waits else None)

    async def record_unreadable(
        self, casino_id: int, bet_id: int | None, transaction_type: int | None, doubt: Doubt
    ) -> None:
        """Record once, for a person to look at, that an Accept for a bet could not be read.

        Nothing is recorded of an Accept whose bet cannot be read, or is not this casino's.
        """
        if bet_id is None:
            return
        facts = as_json({"type": transaction_type, "reason": doubt})
        await self._database.execute(accepts.RECORD_UNREADABLE, bet_id=bet_id, casino_id=casino_id, facts=facts)


def _given(accept: CasinoAccept, bet: PlayedRow, balance: Money | None) -> dict[str, object]:
    transaction_type, named = accept.transaction_type, accept.transaction_id
    major = casino_values.amount(accept.amount, debit=transaction_type.is_debit)
    # None is no amount of any movement: it is below zero, or finer than the currency.
    amount = None if major is None else casino_values.money(major, bet.currency)
    ours = bet.partner_user_id
    facts = {
        "type": int(transaction_type),
        "error_code": accept.error_code,
        "partner_transaction_id": accept.partner_transaction_id,
    }
    return {
        "bet_id": accept.bet_id,
        "transaction_type": int(transaction_type),
        "amount": amount.minor if amount else -1,
        "partner_user_id": ours if same_identity(ours, accept.partner_user_id) else accept.partner_user_id,
        "other_tax": not _is_our_tax(accept, bet),
        "differs": named not in (None, transaction_id(accept.bet_id, transaction_type)),
        "success": accept.success,
        "alike": list(accept.alike),
        "error_code": accept.error_code,
        "partner_transaction_id": accept.partner_transaction_id,
        "balance": balance.minor if balance else None,
        "event": as_json({**facts, "message": accept.message}),
        "theirs": as_json({**facts, "minor_units": amount.minor if amount else accept.amount, "transaction_id": named}),
    }


def _is_our_tax(accept: CasinoAccept, bet: PlayedRow) -> bool:
    """Return whether the casino names the tax that we have sent, or none; what we send none of decides nothing."""
    ours = {"stake": bet.stake_tax, "win": bet.win_tax, None: None}[accept.transaction_type.taxed]
    if ours is None or accept.tax is None:
        return True
    major = casino_values.amount(accept.tax, debit=False)
    theirs = None if major is None else casino_values.money(major, bet.currency)
    return theirs == money_of(ours, bet.currency)


def _workflow_id(row: StoredRow | StoredForCashbackRow, transaction_type: TransactionType) -> str:
    """Return the id of the workflow that carries a movement.

    A workflow that has just taken the bet over is not in the row yet: it reads the Accept from the row itself.
    """
    if isinstance(row, StoredForCashbackRow):
        return cashback_workflow_id(row.cashback_id, row.lives)
    key = BetKey(str(row.counterparty_id), row.bet.provider_bet_id)
    reverses = transaction_type is TransactionType.BET_RETURN and row.reversal_id is not None
    if transaction_type is TransactionType.PAY_OUT_RETURN or reverses:
        return current_reversal_workflow_id(key, row.bet.bet_id, row.reversal_lives or 0)
    return current_bet_workflow_id(key, row.bet.bet_id, row.bet.lives)
