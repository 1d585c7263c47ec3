"""Reading a casino's bodies strictly: what can be read in two ways is refused, and nothing of it is kept."""

import json
import re
from collections.abc import Mapping
from typing import Any

from api.parsing import Literal, read_object
from betcore.db.accepts import CasinoAccept
from betcore.errors import Malformed
from betcore.ids import TransactionType
from betcore.money import AMOUNT

_MAX_INTEGER = 2**53 - 1
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,15})")
_PARTNERS_NUMBER = re.compile(r"-?[0-9]{1,64}")
_MAX_NAME = 256
_MAX_MESSAGE = 200
_MEANING_SUCCESS, _MEANING_DUPLICATE = "done", "duplicate"


def credentials(body: bytes) -> tuple[int, str]:
    """PartnerClientId and Secret. Raises Malformed, as all of these do."""
    fields = read_object(body)
    secret = fields.get("Secret")
    if not isinstance(secret, str) or isinstance(secret, Literal):
        raise Malformed("Secret is a string")
    return _integer(fields, "PartnerClientId"), secret


def token(body: bytes) -> str:
    """The JWT in ``{"Token": "..."}``, or as a JSON string by itself."""
    found: Any
    if body.lstrip(b" \t\r\n")[:1] == b'"':
        try:
            found = json.loads(body.decode("utf-8"))
        except ValueError:
            raise Malformed("the body is not JSON") from None
    else:
        found = read_object(body).get("Token")
    if not isinstance(found, str) or isinstance(found, Literal):
        raise Malformed("Token is a string")
    return found


def accept(body: bytes, error_codes: Mapping[str, str]) -> CasinoAccept:
    """An Accept; ``error_codes`` are the meanings of the casino's profile."""
    fields = read_object(body)
    error_code, meaning = _error_code(fields, error_codes)
    if fields.get("TaxAmount") is not None:
        _amount(fields, "TaxAmount")
    success = meaning == _MEANING_SUCCESS
    return CasinoAccept(
        bet_id=_integer(fields, "BetId"),
        transaction_type=_transaction_type(fields),
        amount=_amount(fields, "Amount"),
        partner_user_id=_name(fields, "PartnerUserId"),
        error_code=error_code,
        alike=tuple(code for code, means in error_codes.items() if means == meaning),
        success=success,
        partner_transaction_id=_partner_transaction_id(fields, optional=not success),
        transaction_id=None if fields.get("TransactionId") is None else _name(fields, "TransactionId"),
        balance=_balance(fields),
        message=_message(fields),
    )


def _integer(fields: dict[str, Any], name: str) -> int:
    found = fields.get(name)
    if not isinstance(found, Literal) or not _INTEGER.fullmatch(found) or not 1 <= int(found) <= _MAX_INTEGER:
        raise Malformed(f"{name} is an integer from 1 to {_MAX_INTEGER}")
    return int(found)


def _transaction_type(fields: dict[str, Any]) -> TransactionType:
    found = fields.get("TransactionType")
    known = {str(int(one)): one for one in TransactionType}
    if not isinstance(found, Literal) or found not in known:
        raise Malformed(f"TransactionType is one of {', '.join(known)}")
    return known[found]


def _amount(fields: dict[str, Any], name: str) -> str:
    found = fields.get(name)
    if not isinstance(found, str) or not AMOUNT.fullmatch(found):
        raise Malformed(f"{name} is digits with an optional fraction, as a string or a number")
    return str(found)


def _name(fields: dict[str, Any], name: str) -> str:
    """Text that can be stored and shown as it is."""
    found = fields.get(name)
    if not isinstance(found, str) or isinstance(found, Literal) or not _is_name(found):
        raise Malformed(f"{name} is a string of 1 to {_MAX_NAME} characters")
    return found


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= _MAX_NAME and text.isprintable()


def _partner_transaction_id(fields: dict[str, Any], *, optional: bool) -> str | None:
    found = fields.get("PartnerTransactionId")
    if found is None and optional:
        return None
    if isinstance(found, Literal) and _PARTNERS_NUMBER.fullmatch(found):
        return str(found)
    return _name(fields, "PartnerTransactionId")


def _error_code(fields: dict[str, Any], error_codes: Mapping[str, str]) -> tuple[str, str]:
    found = fields.get("ErrorCode")
    meaning = error_codes.get(found) if isinstance(found, str) else None
    if meaning is None or meaning == _MEANING_DUPLICATE:
        raise Malformed("ErrorCode is not one that ends a movement")
    return str(found), meaning


def _balance(fields: dict[str, Any]) -> str | None:
    """For showing only: one that cannot be read must not keep the money from being confirmed."""
    found = fields.get("Balance")
    return str(found) if isinstance(found, str) and AMOUNT.fullmatch(found) else None


def _message(fields: dict[str, Any]) -> str | None:
    found = fields.get("Message")
    if found is None:
        return None
    if not isinstance(found, str) or isinstance(found, Literal):
        raise Malformed("Message is a string")
    return "".join(character if character.isprintable() else " " for character in found[:_MAX_MESSAGE])
