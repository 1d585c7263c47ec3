"""Reading the values that casinos send: amounts, ids, codes, text. Pure.

Casinos write one value in several ways, as their libraries do (``"10.0000"``, ``10``, ``"-10.00"`` for a debit,
``12.0`` for an id): these compare equal. Their text may hold what a database or a terminal cannot take: it is cleaned.
Answers, lists, Accepts and balances are all read here. No number passes through a binary float.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from betcore.domain.currencies import decimals
from betcore.domain.money import MAX_MINOR, Money

# Longer than any amount or id, shorter than what Python refuses to turn into an integer.
_LONGEST_NUMBER = 64
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
_WITHOUT_FRACTION = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")
_LONGEST_ID, _LONGEST_CODE, _DIGEST = 256, 64, 16
# Temporal replaces a failure above 4 KiB, stack trace included, by "Failure exceeds size limit.".
_LONGEST_SHOWN = 500
LARGEST_ID = 2**53 - 1
# The largest smallint; all types of the reference are far below.
_LARGEST_TYPE = 32767


class Doubt(StrEnum):
    """Why a casino's message is not believed, or does not name our movement.

    The values stand in metrics, in the bet's events, in incidents, and in the answer to an Accept.
    """

    UNREADABLE_BODY = "unreadable_body"
    LIST_NOT_A_LIST = "list_not_a_list"
    ITEM_NOT_AN_OBJECT = "item_not_an_object"
    UNREADABLE_BET = "unreadable_bet"
    UNREADABLE_TYPE = "unreadable_type"
    UNREADABLE_AMOUNT = "unreadable_amount"
    UNREADABLE_PLAYER = "unreadable_player"
    UNREADABLE_TRANSACTION = "unreadable_transaction"
    UNREADABLE_PARTNER_TRANSACTION = "unreadable_partner_transaction"
    UNREADABLE_CODE = "unreadable_code"
    OTHER_BET = "other_bet"
    OTHER_TYPE = "other_type"
    OTHER_AMOUNT = "other_amount"
    OTHER_PLAYER = "other_player"
    OTHER_TRANSACTION = "other_transaction"
    OTHER_OUTCOME = "other_outcome"
    OTHER_TAX = "other_tax"
    LIST_REFUSED = "list_refused"
    FOREIGN_ITEM = "foreign_item"
    ITEM_MISSING = "item_missing"
    ITEM_DOUBLED = "item_doubled"
    WIN_WITHOUT_STAKE = "win_without_stake"


class _Unreadable:
    """Takes the place of NaN, and of a key that is given twice with different values: no function here reads it."""

    def __repr__(self) -> str:
        return "unreadable"


UNREADABLE = _Unreadable()


class Shown(NamedTuple):
    """A balance that is shown: whether it could be read, and what is shown of it."""

    read: bool
    money: Money | None


def read(raw: bytes) -> object:
    """Return the JSON of an answer. Numbers become text, as they were written; invalid bytes are replaced.

    Raises ValueError if it is not JSON, and RecursionError if it is nested too deep.
    """
    found: object = json.loads(
        raw.decode(json.detect_encoding(raw), "replace"),
        strict=False,
        parse_float=str,
        parse_int=str,
        parse_constant=lambda _: UNREADABLE,
        object_pairs_hook=_object,
    )
    return found


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made: dict[str, object] = {}
    for name, value in pairs:
        made[name] = value if name not in made or made[name] == value else UNREADABLE
    return made


def field(fields: Mapping[str, object], name: str, absent: object = None) -> object:
    """Return a field by its name, or, if there is none of that name, by its name in another case."""
    if name in fields:
        return fields[name]
    found = [value for key, value in fields.items() if key.isascii() and key.lower() == name.lower()]
    if not found:
        return absent
    return found[0] if all(value == found[0] for value in found) else UNREADABLE


def number(value: object) -> Fraction | None:
    """Return a number, written as one or as text; None for anything else."""
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or len(text) > _LONGEST_NUMBER:
        return None
    text = text.strip(" ")
    return Fraction(text) if _NUMBER.fullmatch(text) else None


def whole(value: object, least: int = 1, most: int = LARGEST_ID) -> int | None:
    """Return an integer, also from text or with a fraction of zeros; None for anything else."""
    found = number(value)
    if found is None or found.denominator != 1 or not least <= found <= most:
        return None
    return int(found)


def transaction_type(value: object) -> int | None:
    """Return a TransactionType, known to this service or not."""
    return whole(value, -_LARGEST_TYPE, _LARGEST_TYPE)


def amount(value: object, *, debit: bool) -> Fraction | None:
    """Return an amount in major units. A debit may be negative in writing; a negative credit stays negative."""
    found = number(value)
    return abs(found) if found is not None and debit else found


def money(major: Fraction, currency: str) -> Money | None:
    """Return an amount in major units as Money; None if it is below zero or has more decimals than the currency."""
    minor = major * 10 ** decimals(currency)
    if minor.denominator != 1 or not 0 <= minor <= MAX_MINOR:
        return None
    return Money(minor=int(minor), currency=currency)


def balance(value: object, currency: str) -> Shown:
    """Return a balance, rounded down to the decimals of the currency. One below zero is read, and not shown."""
    found = number(value)
    if found is None:
        return Shown(False, None)
    minor = found * 10 ** decimals(currency) // 1
    return Shown(True, Money(minor=minor, currency=currency) if 0 <= minor <= MAX_MINOR else None)


def identity(value: object) -> str | None:
    """Return an id of the casino as text that can be stored; None if it is missing, or not text or integer.

    An id that has to be cut or cleaned gets a digest of the original, so that two ids stay two.
    """
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not text:
        return None
    return _bounded(text, _LONGEST_ID)


def same_identity(ours: str, theirs: str) -> bool:
    """Return whether an id is ours, also if ours is a number and the casino adds a fraction of zeros."""
    bare = _WITHOUT_FRACTION.fullmatch(theirs)
    return ours in (theirs, bare[1] if bare else theirs)


def error_code(value: object) -> str | None:
    """Return an ErrorCode as profiles name it: text, or a number without a fraction."""
    text = identity(value)
    if text is None:
        return None
    bare = _WITHOUT_FRACTION.fullmatch(text)
    return _bounded(bare[1] if bare else text, _LONGEST_CODE)


def message(value: object, longest: int = 200) -> str:
    """Return a casino's message for people, as it can be stored and shown."""
    return clean(value[: 2 * longest])[:longest] if isinstance(value, str) else ""


def clean(text: str) -> str:
    """Return text on one line that every database, terminal and encoding takes.

    NUL is left out, blanks become spaces, and what cannot be shown, such as half a surrogate pair, a question mark.
    """
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text.replace("\x00", ""))


def short(text: str) -> str:
    """Return text on one line, short enough for a failure that Temporal keeps and people read."""
    found = clean(text[: 2 * _LONGEST_SHOWN])
    return found if len(found) <= _LONGEST_SHOWN else f"{found[: _LONGEST_SHOWN - 3]}..."


def _bounded(text: str, longest: int) -> str:
    shown = clean(text[:longest])
    if shown == text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{shown[: longest - _DIGEST - 1]}~{digest}"
