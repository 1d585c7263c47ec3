"""The movements that a casino lists for a bet (payments/info), as they are read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from betcore.domain import casino_values
from betcore.domain.casino_values import Doubt, field
from betcore.domain.money import Money

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Unix time in seconds is above the first since 2001, and stays below the second for three thousand years; in
# milliseconds it has been above the second since 1973.
_SECONDS_FROM, _MILLISECONDS_FROM, _MILLISECONDS_TO = 10**9, 10**11, 10**15
_LONGEST_SHOWN = 200


class Unbelieved(Exception):
    """A list that is not clear; ``doubt`` says why."""

    def __init__(self, doubt: Doubt) -> None:
        self.doubt = doubt
        super().__init__(doubt)


@dataclass(frozen=True, slots=True)
class Listed:
    """A movement as ``payments/info`` lists it. ``amount`` is as it was written; ``at`` is None where unreadable."""

    transaction_type: int
    amount: str
    partner_user_id: str | None
    transaction_id: str | None
    partner_transaction_id: str | None
    at: datetime | None

    def is_of(self, bet_id: int, amount: Money, partner_user_id: str) -> bool:
        """Whether this is our movement of its type: amount, player and TransactionId, as far as they are told."""
        return self.differs(bet_id, amount, partner_user_id) is None

    def differs(self, bet_id: int, amount: Money, partner_user_id: str) -> Doubt | None:
        """In what this is not our movement of its type; None if it is ours. All are compared by value."""
        if self._money(amount.currency) != amount:
            return Doubt.OTHER_AMOUNT
        if self.is_of_another_player(partner_user_id):
            return Doubt.OTHER_PLAYER
        if self.transaction_id not in (None, f"{bet_id}:{self.transaction_type}"):
            return Doubt.OTHER_TRANSACTION
        return None

    def is_of_another_player(self, partner_user_id: str) -> bool:
        """Whether a player is told who is not this one."""
        theirs = self.partner_user_id
        return theirs is not None and not casino_values.same_identity(partner_user_id, theirs)

    def facts(self, currency: str) -> dict[str, str]:
        """What it says, for one side of a finding. No personal data."""
        money = self._money(currency)
        told = {
            "transaction_id": self.transaction_id,
            "partner_transaction_id": self.partner_transaction_id,
            "amount": f"{currency} {money}" if money else self.amount,
            "at": self.at.isoformat() if self.at else None,
        }
        return {name: casino_values.message(value, _LONGEST_SHOWN) for name, value in told.items() if value is not None}

    def _money(self, currency: str) -> Money | None:
        major = casino_values.amount(self.amount, debit=self.transaction_type < 0)
        return None if major is None else casino_values.money(major, currency)


def read_list(value: Any, bet_id: int) -> list[Listed]:
    """The movements of a bet in the Value of an answer; an empty object and null are empty lists.

    Raises Unbelieved if it is no list, or if any of its items is not a movement of this bet.
    """
    if value is None or value == {}:
        return []
    if not isinstance(value, list):
        raise Unbelieved(Doubt.LIST_NOT_A_LIST)
    return [_item(item, bet_id) for item in value]


def _item(item: Any, bet_id: int) -> Listed:
    if not isinstance(item, dict):
        raise Unbelieved(Doubt.ITEM_NOT_AN_OBJECT)
    named = casino_values.whole(field(item, "BetId"))
    if named != bet_id:
        raise Unbelieved(Doubt.UNREADABLE_BET if named is None else Doubt.OTHER_BET)
    kind = casino_values.transaction_type(field(item, "TransactionType"))
    if kind is None:
        raise Unbelieved(Doubt.UNREADABLE_TYPE)
    amount = field(item, "Amount")
    if casino_values.number(amount) is None:
        raise Unbelieved(Doubt.UNREADABLE_AMOUNT)
    return Listed(
        transaction_type=kind,
        amount=str(amount),
        partner_user_id=_told(item, "PartnerUserId", Doubt.UNREADABLE_PLAYER),
        transaction_id=_told(item, "TransactionId", Doubt.UNREADABLE_TRANSACTION),
        # For showing only.
        partner_transaction_id=casino_values.identity(field(item, "PartnerTransactionId")),
        at=moment(field(item, "Timestamp")),
    )


def _told(item: Mapping[str, Any], name: str, doubt: Doubt) -> str | None:
    """An id that a casino may keep or not: null and empty text mean that it does not."""
    given = field(item, name)
    found = casino_values.identity(given)
    if found is None and given not in (None, ""):
        raise Unbelieved(doubt)
    return found


def moment(given: object) -> datetime | None:
    """A Timestamp of the casino: ISO 8601 with a zone, or Unix time in seconds or milliseconds; None for any other."""
    if (since := casino_values.number(given)) is not None:
        if not _SECONDS_FROM <= since < _MILLISECONDS_TO:
            return None
        seconds = since if since < _MILLISECONDS_FROM else since / 1000
        return _EPOCH + timedelta(microseconds=int(seconds * 1_000_000))
    if not isinstance(given, str) or len(given) > _LONGEST_SHOWN:
        return None
    try:
        read = datetime.fromisoformat(given)
    except ValueError:
        return None
    return read if read.tzinfo else None
