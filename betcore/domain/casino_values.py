"""Reading what casinos send: the same value in other clothes is the same value, what differs in value differs. Pure.

Casinos write amounts and ids in the ways of their own libraries (``"10.0000"``, ``10``, ``"-10.00"`` for a debit,
``12.0`` for an id), and send text that a database or a person cannot take. All of it is read here, for answers, lists,
Accepts and balances alike. No number passes through a binary float.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple

from betcore.domain.currencies import decimals
from betcore.domain.money import MAX_MINOR, Money

# Longer than any amount or id, shorter than what Python refuses to turn into an integer.
_LONGEST_NUMBER = 64
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
_WITHOUT_FRACTION = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")
_LONGEST_ID, _LONGEST_CODE, _DIGEST = 256, 64, 16
# Temporal shows "Failure exceeds size limit." in the place of one that is longer than 4 KiB with its stack trace.
_LONGEST_SHOWN = 500
LARGEST_ID = 2**53 - 1
# What fits a smallint; no type of the reference is anywhere near it.
_LARGEST_TYPE = 32767


class Doubt(StrEnum):
    """Why what a casino has sent is not believed, or is not our movement.

    The words stand in metrics, in the events of the bet, in incidents, and in the answer to an Accept.
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


class _Unreadable:
    """Stands where a key was given twice with different values, and for NaN: no reading takes it."""

    def __repr__(self) -> str:
        return "unreadable"


UNREADABLE = _Unreadable()


class Shown(NamedTuple):
    """A balance for showing: whether it could be read, and what is shown of it."""

    read: bool
    money: Money | None


def read(raw: bytes) -> Any:
    """The JSON of an answer; numbers are text as they were written, bytes that are no text are replaced.

    Raises ValueError for what is not JSON, and RecursionError for what is nested too deep.
    """
    return json.loads(
        raw.decode(json.detect_encoding(raw), "replace"),
        strict=False,
        parse_float=str,
        parse_int=str,
        parse_constant=lambda _: UNREADABLE,
        object_pairs_hook=_object,
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        made[name] = value if name not in made or made[name] == value else UNREADABLE
    return made


def field(fields: Mapping[str, Any], name: str, absent: Any = None) -> Any:
    """A field by its name, or, if there is none of that name, by its name in another case."""
    if name in fields:
        return fields[name]
    found = [value for key, value in fields.items() if key.isascii() and key.lower() == name.lower()]
    if not found:
        return absent
    return found[0] if all(value == found[0] for value in found) else UNREADABLE


def number(value: Any) -> Fraction | None:
    """A number, written as one or as text; None for anything else."""
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or len(text) > _LONGEST_NUMBER:
        return None
    text = text.strip(" ")
    return Fraction(text) if _NUMBER.fullmatch(text) else None


def whole(value: Any, least: int = 1, most: int = LARGEST_ID) -> int | None:
    """An integer, also as text or with a fraction of zeros; None for anything else."""
    found = number(value)
    if found is None or found.denominator != 1 or not least <= found <= most:
        return None
    return int(found)


def transaction_type(value: Any) -> int | None:
    """A TransactionType, known to us or not."""
    return whole(value, -_LARGEST_TYPE, _LARGEST_TYPE)


def amount(value: Any, *, debit: bool) -> Fraction | None:
    """An amount in major units. A debit may be written as a negative number; a negative credit stays negative."""
    found = number(value)
    return abs(found) if found is not None and debit else found


def money(major: Fraction, currency: str) -> Money | None:
    """The same as Money, None if it is below zero or finer than the currency."""
    minor = major * 10 ** decimals(currency)
    if minor.denominator != 1 or not 0 <= minor <= MAX_MINOR:
        return None
    return Money(minor=int(minor), currency=currency)


def balance(value: Any, currency: str) -> Shown:
    """A balance, rounded down to the decimals of the currency; one below zero is read, and not shown."""
    found = number(value)
    if found is None:
        return Shown(False, None)
    minor = found * 10 ** decimals(currency) // 1
    return Shown(True, Money(minor=minor, currency=currency) if 0 <= minor <= MAX_MINOR else None)


def identity(value: Any) -> str | None:
    """An id that is text to us, as it can be stored; None for what is not told, or no text.

    What is cut or replaced leaves a digest behind, so that two ids stay two.
    """
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not text:
        return None
    return _bounded(text, _LONGEST_ID)


def same_identity(ours: str, theirs: str) -> bool:
    """Whether an id is ours, also if the casino has written the number that ours is with a fraction of zeros."""
    bare = _WITHOUT_FRACTION.fullmatch(theirs)
    return ours in (theirs, bare[1] if bare else theirs)


def error_code(value: Any) -> str | None:
    """An ErrorCode as the profile names it: text, or a number without a fraction."""
    text = identity(value)
    if text is None:
        return None
    bare = _WITHOUT_FRACTION.fullmatch(text)
    return _bounded(bare[1] if bare else text, _LONGEST_CODE)


def message(value: Any, longest: int = 200) -> str:
    """What a casino says to people, as it can be stored and shown."""
    return clean(value[: 2 * longest])[:longest] if isinstance(value, str) else ""


def clean(text: str) -> str:
    """Text on one line that every store, terminal and encoding takes: NUL is left out, blanks are spaces, and what
    cannot be shown, half a character among it, is a question mark."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text.replace("\x00", ""))


def short(text: str) -> str:
    """Text as Temporal and people take it: on one line, and no longer than a failure may be that is to be read."""
    found = clean(text[: 2 * _LONGEST_SHOWN])
    return found if len(found) <= _LONGEST_SHOWN else f"{found[: _LONGEST_SHOWN - 3]}..."


def _bounded(text: str, longest: int) -> str:
    shown = clean(text[:longest])
    if shown == text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{shown[: longest - _DIGEST - 1]}~{digest}"
