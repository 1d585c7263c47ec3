"""The rules of the wallet, without any input or output: what is to happen to one movement.

A movement is identified permanently by its bet and its type. The rules, in the order in which they apply:

1. A movement that is on record already is a repeat. Same amount, player, TransactionId, tax and promo code: it is
   answered from the record and nothing moves. Anything else is DUPLICATE.
2. The player must exist.
3. A closed bet takes no new movement (NOT_ADDED) until it is opened again.
4. A stake whose return came first is refused permanently (NOT_ADDED): the return left a tombstone.
5. What belongs to a stake needs that stake, by the same player, and a payout return needs a payout; else
   BET_NOT_FOUND. A return of an unknown stake leaves the tombstone of rule 4. A cashback is a payout without a stake,
   or the return of that.
6. A blocked player cannot bet; wins, returns and corrections go through.
7. The amount has no more decimals than the player's currency.
8. A debit needs the money. A refused debit leaves no record: the same one may pass when it is sent again.

The wallet does not ask whether a bet was won *and* returned: it does what is asked, and the journal shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from devkit.sandbox.casino.wire import Code, decimals_written


class Type(IntEnum):
    """``TransactionType`` of the reference."""

    PAYOUT_RETURN = -2
    STAKE = -1
    PAYOUT = 1
    STAKE_RETURN = 2
    JACKPOT = 4

    @property
    def takes(self) -> bool:
        """Return whether the player's balance goes down."""
        return self < 0


class Switches(BaseModel):
    """How one casino behaves. ``leeway``, in seconds, is the error of the caller's clock that is tolerated.

    ``confirmation`` sets how the outcome of a movement is confirmed: in the answer to make, or by Accept.
    ``cashback_info`` lets ``/payments/info`` answer for cashbacks too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    repeats: Literal["replay", "duplicate"] = "replay"
    idempotency: Literal["on", "off"] = "on"
    leeway: int = Field(2, ge=0, le=3600)
    balance_in_answer: bool = True
    confirmation: Literal["reply", "accept"] = "reply"
    cashback_info: bool = False

    @field_validator("idempotency", mode="before")
    @classmethod
    def _spell_out(cls, given: object) -> object:
        # YAML and developers write on and off, JSON has true and false.
        return ("on" if given else "off") if isinstance(given, bool) else given


@dataclass(frozen=True)
class Movement:
    """What ``/payments/make`` asks for, or for a ``cashback`` its own call: then ``bet_id`` is the CashbackId.

    Amounts are in major units, never negative.
    """

    bet_id: int
    type: Type
    partner_user_id: str
    amount: Decimal
    transaction_id: str | None
    tax: Decimal | None = None
    promo_code: str | None = None
    tag_id: int | None = None
    cashback: bool = False


@dataclass(frozen=True)
class Player:
    """A player's account. ``balance`` is in major units of ``currency``, which has ``decimals``."""

    partner_user_id: str
    currency: str
    decimals: int
    blocked: bool
    balance: Decimal


@dataclass(frozen=True)
class Entry:
    """A movement on record."""

    id: int
    type: Type
    partner_user_id: str
    amount: Decimal
    transaction_id: str | None
    balance_after: Decimal
    at: datetime
    tax: Decimal | None = None
    promo_code: str | None = None


@dataclass(frozen=True)
class Book:
    """All that is known when a movement is judged: the player (None if unknown) and the bet so far."""

    player: Player | None
    entries: Sequence[Entry] = ()
    closed: bool = False
    void: bool = False

    def first(self, *types: Type, by: str | None = None) -> Entry | None:
        """Return the oldest entry of one of these types, of one player if one is named."""
        found = (one for one in self.entries if one.type in types and by in (None, one.partner_user_id))
        return next(found, None)


@dataclass(frozen=True)
class Verdict:
    """What to do: move the money, answer from ``recorded``, or refuse; ``bury`` asks for a tombstone."""

    code: Code
    move: bool = False
    recorded: Entry | None = None
    bury: bool = False


def judge(movement: Movement, book: Book, switches: Switches) -> Verdict:
    """Apply the rules of this module to one movement."""
    recorded = book.first(movement.type)
    if recorded is not None and switches.idempotency == "on":
        return _judge_repeat(movement, recorded, switches)
    refusal = _refusal(movement, book)
    if refusal is None:
        return Verdict(Code.SUCCESS, move=True)
    return Verdict(refusal, bury=refusal is Code.BET_NOT_FOUND and movement.type is Type.STAKE_RETURN)


def _judge_repeat(movement: Movement, recorded: Entry, switches: Switches) -> Verdict:
    names = ("amount", "partner_user_id", "transaction_id", "tax", "promo_code")
    same = all(getattr(movement, name) == getattr(recorded, name) for name in names)
    if same and switches.repeats == "replay":
        return Verdict(Code.SUCCESS, recorded=recorded)
    return Verdict(Code.DUPLICATE)


def _refusal(movement: Movement, book: Book) -> Code | None:
    """Return the code by which rules 2 to 8 refuse the movement; None if it may be made."""
    player = book.player
    if player is None:
        return Code.USER_NOT_FOUND
    if book.closed or (book.void and movement.type is Type.STAKE):
        return Code.NOT_ADDED
    if not _has_its_ground(movement, book):
        return Code.BET_NOT_FOUND
    if player.blocked and movement.type is Type.STAKE:
        return Code.PLAYER_BLOCKED
    if any(decimals_written(given) > player.decimals for given in (movement.amount, movement.tax) if given is not None):
        return Code.WRONG_AMOUNT
    if movement.type.takes and player.balance < movement.amount:
        return Code.NO_MONEY
    return None


def _has_its_ground(movement: Movement, book: Book) -> bool:
    by = movement.partner_user_id
    if movement.type is Type.STAKE or (movement.cashback and movement.type is Type.PAYOUT):
        return True
    if movement.type is Type.PAYOUT_RETURN:
        return book.first(Type.PAYOUT, Type.JACKPOT, by=by) is not None
    return book.first(Type.STAKE, by=by) is not None
