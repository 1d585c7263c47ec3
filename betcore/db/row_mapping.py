"""From rows to messages and back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from betcore.domain.bet import BetRecord, BetState, ReversalRecord, ReversalState
from betcore.domain.cashback import CashbackRecord, CashbackState
from betcore.domain.errors import BetcoreError, Code
from betcore.domain.jackpots import Jackpot
from betcore.domain.messages import PayIn
from betcore.domain.money import Money, minor_units
from betcore.domain.proof import Proof, in_event
from betcore.domain.win_review import Review, ReviewState, WinLimits


def money_of(value: Decimal | None, currency: str) -> Money | None:
    """Return a numeric(38,0) column as Money."""
    return None if value is None else Money(minor=minor_units(value), currency=currency)


# What reading a row can raise: a currency, a state or a profile that this deployment does not know.
NOT_READ = (BetcoreError, ValueError, LookupError, TypeError)


class UnreadableRow(Exception):
    """The rows of one bet cannot be read by this deployment; all others can."""


def time_text(moment: datetime | None) -> str | None:
    """Return a moment as people read it: ISO 8601."""
    return None if moment is None else moment.isoformat()


def amount_text(value: Decimal | None, currency: str) -> str | None:
    """Return a numeric(38,0) column as people read it: in major units, or in minor units if the currency is unknown
    here."""
    try:
        return None if value is None else str(money_of(value, currency))
    except NOT_READ:
        return f"{value} minor units"


def signed_text(value: Decimal, currency: str) -> str:
    """Return an amount that may be below zero as people read it."""
    return ("-" if value < 0 else "") + (amount_text(abs(value), currency) or "")


@dataclass(frozen=True, slots=True)
class BetRow:
    """The columns of ``bet``; amounts in minor units."""

    bet_id: int
    provider_id: int
    provider_bet_id: str
    casino_id: int
    player_id: int
    game_id: int
    session_id: str
    round_id: str | None
    currency: str
    stake: Decimal | None
    win: Decimal | None
    state: str
    refusal: str | None
    owner: str | None
    one_step: bool
    lives: int
    opened_at: datetime
    told_at: datetime | None
    withdrawn_at: datetime | None
    accepted_at: datetime | None
    closed_at: datetime | None
    accepted_balance: Decimal | None
    closed_balance: Decimal | None
    reversed_by: int | None
    stake_tax: Decimal | None
    win_tax: Decimal | None
    promo_code: str | None
    jackpot: Decimal | None
    jackpot_id: int | None
    win_paid_at: datetime | None
    review: dict[str, Any] | None
    session_max_win: Decimal | None
    session_max_odd: Decimal | None


@dataclass(frozen=True, slots=True)
class ReversalRow:
    """The columns of ``reversal`` beside those of its bet, by names of their own."""

    reversal_id: int
    reversal_owner: str | None
    reversal_state: str
    reversal_lives: int
    reversal_closed_at: datetime | None
    reversal_closed_balance: Decimal | None


@dataclass(frozen=True, slots=True)
class CashbackRow:
    """The columns of ``cashback``, apart from what its source has ordered it for; the amount in minor units."""

    cashback_id: int
    owner: str | None
    casino_id: int
    player_id: int
    currency: str
    amount: Decimal
    promo_code: str | None
    state: str
    lives: int
    issued_at: datetime | None
    cancel_asked_at: datetime | None
    closed_at: datetime | None
    issued_balance: Decimal | None
    cancelled_balance: Decimal | None


@dataclass(frozen=True, slots=True)
class BetWithReversal:
    """A bet, and the reversal that it may have."""

    bet: BetRow
    reversal: ReversalRow | None

    @property
    def record(self) -> BetRecord:
        """Return the bet as a message, with its reversal."""
        return record_of(self.bet, self.reversal)


def record_of(bet: BetRow, reversal: ReversalRow | None = None) -> BetRecord:
    """Return a bet as a message. Raise one of ``NOT_READ`` if this deployment does not know what its row names."""
    return BetRecord(
        bet_id=bet.bet_id,
        owner=bet.owner,
        casino_id=bet.casino_id,
        player_id=bet.player_id,
        game_id=bet.game_id,
        round_id=bet.round_id,
        currency=bet.currency,
        stake=money_of(bet.stake, bet.currency),
        win=money_of(bet.win, bet.currency),
        state=BetState(bet.state),
        refusal=Code(bet.refusal) if bet.refusal else None,
        told_at=bet.told_at,
        withdrawn_at=bet.withdrawn_at,
        accepted_at=bet.accepted_at,
        closed_at=bet.closed_at,
        accepted_balance=money_of(bet.accepted_balance, bet.currency),
        closed_balance=money_of(bet.closed_balance, bet.currency),
        one_step=bet.one_step,
        lives=bet.lives,
        reversed_by=bet.reversed_by,
        reversal=None if reversal is None else _reversal_of(reversal, bet.currency),
        opened_at=bet.opened_at,
        stake_tax=money_of(bet.stake_tax, bet.currency),
        win_tax=money_of(bet.win_tax, bet.currency),
        promo_code=bet.promo_code,
        jackpot=money_of(bet.jackpot, bet.currency),
        jackpot_id=bet.jackpot_id,
        win_paid_at=bet.win_paid_at,
        review=None if bet.review is None else _review_of(bet.review, bet.currency),
        win_limits=WinLimits.of_session(bet.session_max_win, bet.session_max_odd, bet.currency),
    )


def columns_of(pay_in: PayIn) -> dict[str, object]:
    """Return the columns of a bet that its PayIn or PayInOut gives."""
    return {
        "provider_id": pay_in.provider_id,
        "provider_bet_id": pay_in.provider_bet_id,
        "casino_id": pay_in.casino_id,
        "player_id": pay_in.player_id,
        "game_id": pay_in.game_id,
        "session_id": pay_in.session_id,
        "round_id": pay_in.round_id,
        "currency": pay_in.stake.currency,
        "stake": pay_in.stake.minor,
        "win": pay_in.win.minor if pay_in.win else None,
        "stake_tax": pay_in.tax.minor if pay_in.tax and pay_in.win is None else None,
        "win_tax": pay_in.tax.minor if pay_in.tax and pay_in.win is not None else None,
        "promo_code": pay_in.promo_code,
        "jackpot": pay_in.jackpot.amount.minor if pay_in.jackpot and pay_in.jackpot.amount else None,
        "jackpot_id": pay_in.jackpot.jackpot_id if pay_in.jackpot else None,
    }


def opening_of(pay_in: PayIn, state: BetState, refusal: Code | None, refund: Proof | None) -> str:
    """Return the data of the event by which a bet is opened; ``refund`` is the proof of a Refund that came first."""
    win = pay_in.win and str(pay_in.win)
    shown = {"amount": str(pay_in.stake), "win": win, "state": state, "refusal": refusal}
    return as_json(shown | in_event(pay_in.proof) | in_event(refund, "refund_proof"))


def _review_of(review: Mapping[str, Any], currency: str) -> Review:
    asked, tax = review["asked"], review["tax"]
    jackpot = None
    if asked["jackpot"] is not None:
        jackpot = Jackpot(amount=Money(minor=asked["jackpot"], currency=currency))
    elif asked["jackpot_id"] is not None:
        jackpot = Jackpot(jackpot_id=asked["jackpot_id"])
    return Review(
        state=ReviewState(str(review["state"])),
        win=Money(minor=asked["win"], currency=currency),
        jackpot=jackpot,
        tax=None if tax is None else Money(minor=tax, currency=currency),
    )


def _reversal_of(row: ReversalRow, currency: str) -> ReversalRecord:
    return ReversalRecord(
        reversal_id=row.reversal_id,
        owner=row.reversal_owner,
        state=ReversalState(row.reversal_state),
        lives=row.reversal_lives,
        closed_at=row.reversal_closed_at,
        closed_balance=money_of(row.reversal_closed_balance, currency),
    )


def cashback_of(row: CashbackRow) -> CashbackRecord:
    """Return a cashback as a message. Raise one of ``NOT_READ`` if this deployment does not know what its row names."""
    return CashbackRecord(
        cashback_id=row.cashback_id,
        owner=row.owner,
        casino_id=row.casino_id,
        player_id=row.player_id,
        currency=row.currency,
        amount=Money(minor=minor_units(row.amount), currency=row.currency),
        promo_code=row.promo_code,
        state=CashbackState(row.state),
        lives=row.lives,
        issued_at=row.issued_at,
        cancel_asked_at=row.cancel_asked_at,
        closed_at=row.closed_at,
        issued_balance=money_of(row.issued_balance, row.currency),
        cancelled_balance=money_of(row.cancelled_balance, row.currency),
    )


def as_json(data: Mapping[str, object]) -> str:
    """Return an event's data as a jsonb column takes it; what is None is left out."""
    return json.dumps({name: _storable(value) for name, value in data.items() if value is not None}, default=str)


def _storable(value: object) -> object:
    """Return a value without what PostgreSQL refuses in text (NUL, half a character), which would undo the whole
    statement."""
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
        case Mapping():
            return {name: _storable(inner) for name, inner in value.items()}
        case _:
            return value
