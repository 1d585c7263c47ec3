"""Reading a provider's body strictly: what can be read in two ways is refused."""

import json
import re
from dataclasses import dataclass
from typing import Any

from betcore.errors import Malformed
from betcore.money import AMOUNT

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MAX_DEPTH = 32


class Literal(str):
    """A JSON number as it was written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PayInBody:
    """A stake; the amount is text in major units."""

    bet_id: str
    bet_amount: str
    game_round_id: str


@dataclass(frozen=True, slots=True)
class PayInOutBody:
    """Stake and winnings at once; the amounts are text in major units."""

    bet_id: str
    bet_amount: str
    win_amount: str
    game_round_id: str


@dataclass(frozen=True, slots=True)
class PayOutBody:
    """Winnings, 0 for a loss; the amount is text in major units."""

    bet_id: str
    win_amount: str
    game_round_id: str


@dataclass(frozen=True, slots=True)
class RefundBody:
    """The bet whose stake goes back."""

    bet_id: str


def pay_in(body: bytes, session_id: str) -> PayInBody:
    """The body of PayIn. Raises Malformed, as all of these do."""
    fields = _fields(body, session_id)
    return PayInBody(_id(fields, "betId"), _amount(fields, "betAmount"), _id(fields, "gameRoundId"))


def pay_in_out(body: bytes, session_id: str) -> PayInOutBody:
    """The body of PayInOut."""
    fields = _fields(body, session_id)
    stake = _amount(fields, "betAmount")
    return PayInOutBody(_id(fields, "betId"), stake, _win(fields), _id(fields, "gameRoundId"))


def pay_out(body: bytes, session_id: str) -> PayOutBody:
    """The body of PayOut."""
    fields = _fields(body, session_id)
    return PayOutBody(_id(fields, "betId"), _win(fields), _id(fields, "gameRoundId"))


def refund(body: bytes, session_id: str) -> RefundBody:
    """The body of Refund."""
    return RefundBody(_id(_fields(body, session_id), "betId"))


def session_id(text: str) -> str:
    """A session id from the path."""
    if not _ID.fullmatch(text):
        raise Malformed("sessionId is 1 to 128 of A-Z a-z 0-9 . _ : -")
    return text


def read_object(body: bytes) -> dict[str, Any]:
    """One JSON object with numbers as they were written.

    Raises Malformed for what is not UTF-8, not JSON, no object, too deep, or has a key twice, at any depth.
    """
    try:
        text = body.decode("utf-8")
        _refuse_depth(text)
        found = json.loads(
            text,
            parse_float=Literal,
            parse_int=Literal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if not isinstance(found, dict):
        raise Malformed("the body is not a JSON object")
    return found


def sorted_encoding(body: bytes) -> bytes:
    """The same object as compact JSON with sorted keys, its numbers as they were written: two amounts never become one.

    The body itself where it cannot be read, so that nothing is signed by what only looks like it.
    """
    try:
        return _compact(read_object(body)).encode()
    except (Malformed, UnicodeEncodeError):
        return body


def _compact(value: Any) -> str:
    match value:
        case dict():
            return "{" + ",".join(f"{_compact(key)}:{_compact(value[key])}" for key in sorted(value)) + "}"
        case list():
            return "[" + ",".join(map(_compact, value)) + "]"
        case Literal():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _fields(body: bytes, session: str) -> dict[str, Any]:
    fields = read_object(body)
    if "sessionId" in fields and (isinstance(fields["sessionId"], Literal) or fields["sessionId"] != session):
        raise Malformed("sessionId is not that of the path")
    return fields


def _id(fields: dict[str, Any], name: str) -> str:
    found = fields.get(name)
    if not isinstance(found, str) or isinstance(found, Literal) or not _ID.fullmatch(found):
        raise Malformed(f"{name} is a string of 1 to 128 of A-Z a-z 0-9 . _ : -")
    return found


def _amount(fields: dict[str, Any], name: str) -> str:
    found = fields.get(name)
    if not isinstance(found, str) or not AMOUNT.fullmatch(found):
        raise Malformed(f"{name} is digits with an optional fraction, as a number or a string")
    return str(found)


def _win(fields: dict[str, Any]) -> str:
    if "winOdd" in fields:
        _amount(fields, "winOdd")
    return _amount(fields, "winAmount")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Malformed("a key stands twice")
    return made


def _refuse_constant(name: str) -> None:
    raise Malformed(f"{name} is not JSON")


def _refuse_depth(text: str) -> None:
    """Refuse what is nested deeper than anything of ours, without recursion. Brackets in strings do not count."""
    depth, in_string, escaped = 0, False, False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > _MAX_DEPTH:
                raise Malformed("the body is nested too deep")
        elif character in "]}":
            depth -= 1
