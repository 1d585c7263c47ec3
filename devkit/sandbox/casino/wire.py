"""What goes over the wire of surface C: error codes, the answer's envelope, the requests, amounts.

Source of the names: the BETCORE Aggregator reference, and ``docs/protocol-casino.md`` if the reference is silent.
"""

import json
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import IntEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_pascal

_AMOUNT = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?")


class Code(IntEnum):
    """``ErrorCode`` of an answer. All but BAD_TOKEN come with HTTP 200 if the request could be read."""

    SUCCESS = 200
    BAD_TOKEN = 401
    USER_NOT_FOUND = 102145
    NOT_ADDED = 102823
    WRONG_AMOUNT = 103801
    NO_MONEY = 103802
    DUPLICATE = 103803
    BET_NOT_FOUND = 103804
    PLAYER_BLOCKED = 103805
    LIMIT_REACHED = 103806
    TOKEN_INVALID = 103807
    PLAYER_MISMATCH = 103808
    PROMO_REFUSED = 103809


MESSAGES = {
    Code.SUCCESS: "Success",
    Code.BAD_TOKEN: "Bad token",
    Code.USER_NOT_FOUND: "User not found",
    Code.NOT_ADDED: "Error adding transaction",
    Code.WRONG_AMOUNT: "Incorrect amount",
    Code.NO_MONEY: "Not enough money",
    Code.DUPLICATE: "Duplicate transaction",
    Code.BET_NOT_FOUND: "Bet not found",
    Code.PLAYER_BLOCKED: "Player blocked",
    Code.LIMIT_REACHED: "Limit reached",
    Code.TOKEN_INVALID: "Token invalid or expired",
    Code.PLAYER_MISMATCH: "Player of another currency or partner",
    Code.PROMO_REFUSED: "Promo code refused",
}


def message_of(code: int) -> str:
    """Return the text of a code; an unknown code is an error."""
    return MESSAGES[Code(code)] if code in MESSAGES else "Error"


# The longest ``data`` of a list, in bytes.
LONGEST_LIST = 256 * 1024

# The path at the aggregator, below its /mis-api/api/v2; to the fault plan it is the path of a call.
ACCEPT_PATH = "/payments/accept"
LIST_PATH = "/payments/make-list"
CASHBACK_PATH = "/cashback-payments/make"
CASHBACK_ACCEPT_PATH = "/cashback-payments/accept"
ACCEPT_PATHS = (ACCEPT_PATH, CASHBACK_ACCEPT_PATH)


@dataclass(frozen=True)
class Accept:
    """The outcome of one movement in ``payments/accept``, or of a ``cashback`` in its own call, in major units.

    ``partner_transaction_id`` and ``balance`` are None on a refusal, ``transaction_id`` and ``tax`` if the aggregator
    gave none.
    """

    bet_id: int
    transaction_type: int
    partner_user_id: str
    amount: str
    transaction_id: str | None
    error_code: int
    partner_transaction_id: str | None = None
    balance: str | None = None
    tax: str | None = None
    cashback: bool = False

    @property
    def path(self) -> str:
        """Return the path that it is sent to."""
        return CASHBACK_ACCEPT_PATH if self.cashback else ACCEPT_PATH

    def body(self) -> dict[str, object]:
        """Return the message as JSON can carry it."""
        optional = {"TransactionId": self.transaction_id, "Balance": self.balance, "TaxAmount": self.tax}
        return {
            number_name(cashback=self.cashback): self.bet_id,
            "TransactionType": self.transaction_type,
            "PartnerUserId": self.partner_user_id,
            "Amount": self.amount,
            "PartnerTransactionId": self.partner_transaction_id,
            "ErrorCode": self.error_code,
            "Message": message_of(self.error_code),
            **{name: value for name, value in optional.items() if value is not None},
        }

    def saying(self, code: int) -> "Accept":
        """Return the same Accept with another outcome, one that is not true."""
        if code == self.error_code:
            return self
        # The journal numbers from 1: no movement is called SC-0.
        known_as = "SC-0" if code == Code.SUCCESS else None
        return replace(self, error_code=code, partner_transaction_id=known_as, balance=None)


@dataclass(frozen=True)
class Answer:
    """One answer of surface C. ``value`` is what JSON can carry; None if there is nothing to add.

    ``accepts`` are the outcomes if the answer confirms only that the movements were received.
    """

    code: int
    value: object = None
    message: str = ""
    status: int = 200
    accepts: tuple[Accept, ...] = ()

    @property
    def verdict(self) -> int:
        """Return what the wallet decided about the call; of a list each item has its own verdict."""
        return self.accepts[0].error_code if len(self.accepts) == 1 else self.code

    def envelope(self) -> dict[str, object]:
        """Return the three fields of every answer."""
        message = self.message or message_of(self.code)
        return {"ErrorCode": int(self.code), "Message": message, "Value": self.value}

    def body(self) -> bytes:
        """Return the envelope as compact JSON."""
        return json.dumps(self.envelope(), separators=(",", ":")).encode()


class _Request(BaseModel):
    """The claim ``data`` of a token. Unknown fields are ignored: a caller may know more than we do."""

    model_config = ConfigDict(alias_generator=to_pascal, strict=True, frozen=True)


BetId = Annotated[int, Field(ge=1, lt=2**53)]
# No id has control characters, and PostgreSQL stores no byte 0.
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")]


class AuthRequest(_Request):
    """``/users/auth``: the player's page hands on the token that the casino gave it."""

    refresh_token: Name


class DataRequest(_Request):
    """``/users/data``. ``tag_id`` is a number that must be there, as a typed reader of the reference demands it."""

    partner_user_id: Name
    tag_id: Annotated[int, Field(ge=0)]
    extra_data: object = None


class MakeRequest(_Request):
    """``/payments/make``. Amounts are read apart: a wrong amount has an error code of its own."""

    bet_id: BetId
    partner_user_id: Name
    transaction_type: int
    amount: object = None
    transaction_id: Name | None = None
    tax_amount: object = None
    promo_code: Name | None = None
    tag_id: Annotated[int, Field(ge=1)] | None = None


class MakeCashbackRequest(MakeRequest):
    """``/cashback-payments/make``."""

    bet_id: BetId = Field(alias="CashbackId")


class MakeListRequest(RootModel[list[MakeRequest]]):
    """``/payments/make-list``: what make gets, 1 to 100 times."""

    model_config = ConfigDict(strict=True, frozen=True)

    root: Annotated[list[MakeRequest], Field(min_length=1, max_length=100)]


class InfoRequest(_Request):
    """``/payments/info``: of a bet or, at a casino that has that, of a cashback."""

    bet_id: BetId | None = None
    cashback_id: BetId | None = None


class CloseRequest(_Request):
    """``/payments/close``; ``closed`` False opens the bet again."""

    bet_id: BetId
    closed: bool


def number_name(*, cashback: bool) -> str:
    """Return what names the number of a bet or of a cashback."""
    return "CashbackId" if cashback else "BetId"


def read_amount(given: object) -> Decimal | None:
    """Return an amount in major units as it was written, trailing zeros included; None if it is not one."""
    if not isinstance(given, str) or _AMOUNT.fullmatch(given) is None:
        return None
    return Decimal(given)


def decimals_written(amount: Decimal) -> int:
    """Return how many digits follow the point: 2 for ``10.00``."""
    exponent = amount.as_tuple().exponent
    return max(0, -int(exponent))


def print_amount(amount: Decimal, decimals: int) -> str:
    """Return the amount as the wire wants it: a decimal string with all the currency's decimals, no exponent."""
    return f"{amount:.{decimals}f}"
