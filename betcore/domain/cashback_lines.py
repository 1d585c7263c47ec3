"""The lines of a file of cashbacks: what each of them orders, or why it orders nothing. Pure.

A record is one line: a quote that is never closed must not swallow the lines behind it.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from betcore.domain.currencies import decimals
from betcore.domain.errors import Malformed
from betcore.domain.money import Money

REQUIRED = ("key", "player", "currency", "amount")
OPTIONAL = ("promo_code", "reason")
# Bytes of a line, without its end. A longer one is reported, and never held in memory.
LONGEST = 4096
_LONGEST_TEXT = {"key": 100, "player": 128, "promo_code": 100, "reason": 200}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that orders a cashback for a player of the casino, under the casino's own id of the line."""

    number: int
    key: str
    player: str
    amount: Money
    promo_code: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that orders nothing. ``reason`` is a code; ``given`` are the fields that could be read."""

    number: int
    reason: str
    detail: str
    given: Mapping[str, str]


class FaultyLine(Exception):
    """Why a line orders nothing: a code, and what is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def columns(raw: bytes | None) -> Sequence[str]:
    """Return the names in a file's first line. Raise FaultyLine if it is not a header that can be used."""
    try:
        names = _fields(raw if raw is None else raw.removeprefix(_BOM))
    except FaultyLine as fault:
        raise FaultyLine("header", fault.detail) from None
    unknown = [name for name in names if name not in REQUIRED + OPTIONAL]
    if unknown:
        raise FaultyLine("header", f"unknown column {unknown[0]!r}: want {', '.join(REQUIRED + OPTIONAL)}")
    if missing := [name for name in REQUIRED if name not in names]:
        raise FaultyLine("header", f"there is no column {missing[0]!r}")
    if len(set(names)) < len(names):
        raise FaultyLine("header", "a column stands twice")
    return names


def read_line(names: Sequence[str] | None, number: int, raw: bytes | None) -> Line | Fault:
    """Return what a line orders, or its fault. ``names`` is None if the file has no header, ``raw`` if it is too long.

    A line without any character is the fault ``empty``.
    """
    given: dict[str, str] = {}
    try:
        if names is None:
            raise FaultyLine("no_header", "the first line of the file does not name its columns")
        fields = _fields(raw)
        if not fields:
            raise FaultyLine("empty", "")
        if len(fields) != len(names):
            raise FaultyLine("wrong_columns", f"{len(fields)} fields for {len(names)} columns")
        given = dict(zip(names, fields, strict=True))
        return _line(number, given)
    except FaultyLine as fault:
        return Fault(number, fault.reason, fault.detail, given)


def _fields(raw: bytes | None) -> list[str]:
    if raw is None:
        raise FaultyLine("too_long", f"more than {LONGEST} bytes")
    try:
        text = raw.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise FaultyLine("not_utf8", "not UTF-8 text") from None
    try:
        # Without a field there is no record.
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise FaultyLine("not_csv", str(error)) from None


def _line(number: int, given: Mapping[str, str]) -> Line:
    for name, longest in _LONGEST_TEXT.items():
        text = given.get(name, "")
        if not (len(text) <= longest and text.isprintable() and text == text.strip()):
            message = f"{name}: at most {longest} printable characters without blanks around them"
            raise FaultyLine(f"{name}_invalid", message)
    for name in REQUIRED:
        if not given[name]:
            raise FaultyLine(f"{name}_missing", f"{name} is empty")
    currency = given["currency"]
    try:
        decimals(currency)
    except Malformed as error:
        raise FaultyLine("currency_unknown", str(error)) from None
    try:
        amount = Money.parse(given["amount"], currency)
    except Malformed as error:
        raise FaultyLine("amount_invalid", str(error)) from None
    if amount.minor == 0:
        raise FaultyLine("amount_zero", "nothing to pay")
    promo_code, reason = given.get("promo_code") or None, given.get("reason") or None
    return Line(number, given["key"], given["player"], amount, promo_code, reason)
