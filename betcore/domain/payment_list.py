"""The list of a bet's movements at the casino (payments/info), and how it is read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from betcore.domain import casino_values
from betcore.domain.casino_values import Doubt, field
from betcore.domain.ids import number_name
from betcore.domain.money import Money

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Unix time in seconds: from 2001 to the year 5138. In milliseconds: from 1973 on.
_SECONDS_FROM, _MILLISECONDS_FROM, _MILLISECONDS_TO = 10**9, 10**11, 10**15
_LONGEST_SHOWN = 200


class Unclear(Exception):
    """A list cannot be believed; ``doubt`` says why."""

    def __init__(self, doubt: Doubt) -> None:
        self.doubt = doubt
        super().__init__(doubt)


@dataclass(frozen=True, slots=True)
class Listed:
    """A movement as payments/info lists it. ``amount`` is as the casino wrote it; ``at`` is None if unreadable."""

    transaction_type: int
    amount: str
    partner_user_id: str | None
    transaction_id: str | None
    partner_transaction_id: str | None
    at: datetime | None
    tax: str | None = None

    def is_of(self, bet_id: int, amount: Money, partner_user_id: str, tax: Money | None) -> bool:
        """Return whether this is our movement of its type: what is listed of it is ours."""
        return self.differs(bet_id, amount, partner_user_id, tax) is None

    def differs(self, bet_id: int, amount: Money, partner_user_id: str, tax: Money | None) -> Doubt | None:
        """Return how this differs from our movement of its type; None if it is ours. All are compared by value.

        The tax counts if we have sent one and the casino lists one.
        """
        if self._money(amount.currency) != amount:
            return Doubt.OTHER_AMOUNT
        if self.is_of_another_player(partner_user_id):
            return Doubt.OTHER_PLAYER
        if self.transaction_id not in (None, f"{bet_id}:{self.transaction_type}"):
            return Doubt.OTHER_TRANSACTION
        if tax is not None and self.tax is not None and _money(self.tax, tax.currency) != tax:
            return Doubt.OTHER_TAX
        return None

    def is_of_another_player(self, partner_user_id: str) -> bool:
        """Return whether the casino names a player who is not this one."""
        theirs = self.partner_user_id
        return theirs is not None and not casino_values.same_identity(partner_user_id, theirs)

    def facts(self, currency: str) -> dict[str, str]:
        """Return what the list says, for one side of a finding. It holds no personal data."""
        money = self._money(currency)
        given = {
            "transaction_id": self.transaction_id,
            "partner_transaction_id": self.partner_transaction_id,
            "amount": f"{currency} {money}" if money else self.amount,
            "tax": self.tax,
            "at": self.at.isoformat() if self.at else None,
        }
        return {
            name: casino_values.message(value, _LONGEST_SHOWN) for name, value in given.items() if value is not None
        }

    def _money(self, currency: str) -> Money | None:
        major = casino_values.amount(self.amount, debit=self.transaction_type < 0)
        return None if major is None else casino_values.money(major, currency)


def _money(written: str, currency: str) -> Money | None:
    major = casino_values.number(written)
    return None if major is None else casino_values.money(major, currency)


def read_list(value: object, bet_id: int, *, cashback: bool = False) -> list[Listed]:
    """Return the movements of a bet, or of a cashback, in the Value of an answer; an empty object and null are empty
    lists.

    Raises Unclear if the value is no list, or if any of its items is not a movement of it.
    """
    if value is None or value == {}:
        return []
    if not isinstance(value, list):
        raise Unclear(Doubt.LIST_NOT_A_LIST)
    return [_item(item, number_name(cashback=cashback), bet_id) for item in value]


def _item(item: object, number: str, bet_id: int) -> Listed:
    if not isinstance(item, dict):
        raise Unclear(Doubt.ITEM_NOT_AN_OBJECT)
    named = casino_values.whole(field(item, number))
    if named != bet_id:
        raise Unclear(Doubt.UNREADABLE_BET if named is None else Doubt.OTHER_BET)
    transaction_type = casino_values.transaction_type(field(item, "TransactionType"))
    if transaction_type is None:
        raise Unclear(Doubt.UNREADABLE_TYPE)
    amount = field(item, "Amount")
    if casino_values.number(amount) is None:
        raise Unclear(Doubt.UNREADABLE_AMOUNT)
    return Listed(
        transaction_type=transaction_type,
        amount=str(amount),
        partner_user_id=_optional_id(item, "PartnerUserId", Doubt.UNREADABLE_PLAYER),
        transaction_id=_optional_id(item, "TransactionId", Doubt.UNREADABLE_TRANSACTION),
        # These two are only shown.
        partner_transaction_id=casino_values.identity(field(item, "PartnerTransactionId")),
        at=moment(field(item, "Timestamp")),
        tax=_text(field(item, "TaxAmount")),
    )


def _optional_id(item: Mapping[str, object], name: str, doubt: Doubt) -> str | None:
    """Return an id that a casino may keep: null and empty text mean that it does not. Raises Unclear."""
    given = field(item, name)
    found = casino_values.identity(given)
    if found is None and given not in (None, ""):
        raise Unclear(doubt)
    return found


def _text(given: object) -> str | None:
    """Return a value as it was written. One that is no number is none of ours, if we have sent one at all."""
    return None if given in (None, "") else str(given)


def moment(given: object) -> datetime | None:
    """Return a casino's Timestamp: ISO 8601 with a zone, or Unix time in seconds or milliseconds; else None."""
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
