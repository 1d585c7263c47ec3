"""Bodies of casinos' calls: their JSON is read strictly, an Accept's values by ``betcore.domain.casino_values``."""

import json
import re
from collections.abc import Mapping

from api.strict_json import Json, JsonNumber, read_object
from betcore.domain import casino_values
from betcore.domain.accepts import CasinoAccept
from betcore.domain.casino_values import LARGEST_ID, Doubt, field
from betcore.domain.errors import Malformed
from betcore.domain.ids import TransactionType, number_name

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,15})")
_MEANING_SUCCESS, _MEANING_DUPLICATE = "done", "duplicate"
_TYPES = {int(one): one for one in TransactionType}

Fields = Mapping[str, Json]


class UnreadableAccept(Malformed):
    """An Accept that cannot be read. ``doubt`` says which part, ``about`` its bet and movement if they can be read."""

    def __init__(self, doubt: Doubt, why: str) -> None:
        self.doubt = doubt
        self.about: tuple[int | None, int | None] = (None, None)
        super().__init__(f"{doubt}: {why}")


def credentials(body: bytes) -> tuple[int, str, str | None]:
    """Return PartnerClientId, Secret, and Scope if it is given. Raises Malformed."""
    fields = read_object(body)
    secret = fields.get("Secret")
    if not isinstance(secret, str) or isinstance(secret, JsonNumber):
        raise Malformed("Secret is a string")
    scope = fields.get("Scope")
    if scope is not None and (not isinstance(scope, str) or isinstance(scope, JsonNumber)):
        raise Malformed("Scope is a string")
    return _integer(fields, "PartnerClientId"), secret, scope or None


def token(body: bytes) -> str:
    """Return the JWT in ``{"Token": "..."}``, or in a JSON string by itself. Raises Malformed."""
    found: Json
    if body.lstrip(b" \t\r\n")[:1] == b'"':
        try:
            found = json.loads(body.decode("utf-8"))
        except ValueError:
            raise Malformed("the body is not JSON") from None
    else:
        found = read_object(body).get("Token")
    if not isinstance(found, str) or isinstance(found, JsonNumber):
        raise Malformed("Token is a string")
    return found


def accept(body: bytes, error_codes: Mapping[str, str], *, cashback: bool = False) -> CasinoAccept:
    """Return the Accept of a bet or of a cashback in a body; ``error_codes`` are those of the casino's profile.

    Raises UnreadableAccept.
    """
    try:
        fields = read_object(body)
    except Malformed as error:
        raise UnreadableAccept(Doubt.UNREADABLE_BODY, str(error)) from None
    try:
        return _accept(fields, error_codes, cashback=cashback)
    except UnreadableAccept as error:
        transaction_type = _TYPES.get(casino_values.transaction_type(field(fields, "TransactionType")) or 0)
        error.about = casino_values.whole(field(fields, number_name(cashback=cashback))), transaction_type
        raise


def _accept(fields: Fields, error_codes: Mapping[str, str], *, cashback: bool) -> CasinoAccept:
    error_code, meaning = _error_code(fields, error_codes)
    success = meaning == _MEANING_SUCCESS
    balance, message = field(fields, "Balance"), casino_values.message(field(fields, "Message"))
    return CasinoAccept(
        bet_id=_number(fields, number_name(cashback=cashback)),
        transaction_type=_transaction_type(fields),
        amount=_amount(fields),
        partner_user_id=_name(fields, "PartnerUserId", Doubt.UNREADABLE_PLAYER),
        error_code=error_code,
        alike=tuple(code for code, means in error_codes.items() if means == meaning),
        success=success,
        partner_transaction_id=_partner_transaction_id(fields, optional=not success),
        transaction_id=_transaction_id(fields),
        # An unreadable balance is left out: it is only shown, and must not keep money from being confirmed.
        balance=str(balance) if casino_values.number(balance) is not None else None,
        message=message or None,
        tax=_tax(fields),
        cashback=cashback,
    )


def _number(fields: Fields, name: str) -> int:
    found = casino_values.whole(field(fields, name))
    if found is None:
        raise _unread(fields, name, Doubt.UNREADABLE_BET, f"is not an integer from 1 to {LARGEST_ID}")
    return found


def _transaction_type(fields: Fields) -> TransactionType:
    found = _TYPES.get(casino_values.transaction_type(field(fields, "TransactionType")) or 0)
    if found is None:
        known = ", ".join(map(str, _TYPES))
        raise _unread(fields, "TransactionType", Doubt.UNREADABLE_TYPE, f"is not one of {known}")
    return found


def _amount(fields: Fields) -> str:
    found = field(fields, "Amount")
    if casino_values.number(found) is None:
        raise _unread(fields, "Amount", Doubt.UNREADABLE_AMOUNT, "is not a number")
    return str(found)


def _tax(fields: Fields) -> str | None:
    """Return the tax as it was written: what it must be is known when the bet is."""
    found = field(fields, "TaxAmount")
    return None if found in (None, "") else str(found)


def _name(fields: Fields, name: str, doubt: Doubt) -> str:
    found = casino_values.identity(field(fields, name))
    if found is None:
        raise _unread(fields, name, doubt, "is not an id")
    return found


def _transaction_id(fields: Fields) -> str | None:
    given = field(fields, "TransactionId")
    return None if given in (None, "") else _name(fields, "TransactionId", Doubt.UNREADABLE_TRANSACTION)


def _partner_transaction_id(fields: Fields, *, optional: bool) -> str | None:
    if optional:
        return casino_values.identity(field(fields, "PartnerTransactionId"))
    return _name(fields, "PartnerTransactionId", Doubt.UNREADABLE_PARTNER_TRANSACTION)


def _error_code(fields: Fields, error_codes: Mapping[str, str]) -> tuple[str, str]:
    found = casino_values.error_code(field(fields, "ErrorCode"))
    meaning = error_codes.get(found) if found is not None else None
    if found is None or meaning is None or meaning == _MEANING_DUPLICATE:
        raise _unread(fields, "ErrorCode", Doubt.UNREADABLE_CODE, "is not one that ends a movement")
    return found, meaning


def _unread(fields: Fields, name: str, doubt: Doubt, why: str) -> UnreadableAccept:
    return UnreadableAccept(doubt, f"{name} is missing" if field(fields, name) is None else f"{name} {why}")


def _integer(fields: Fields, name: str) -> int:
    found = fields.get(name)
    if not isinstance(found, JsonNumber) or not _INTEGER.fullmatch(found) or not 1 <= int(found) <= LARGEST_ID:
        raise Malformed(f"{name} is an integer from 1 to {LARGEST_ID}")
    return int(found)
