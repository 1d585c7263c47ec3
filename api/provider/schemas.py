"""Reading a provider's body strictly: what can be read in two ways is refused."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from betcore.domain.errors import Malformed
from betcore.domain.money import AMOUNT

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MAX_DEPTH = 32
_SAID = 100


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


class UnreadableWin(Malformed):
    """The winnings of a bet cannot be read: nothing is paid, and a person has to know. ``sent`` is what stood there."""

    def __init__(self, message: str, bet_id: str, sent: str) -> None:
        super().__init__(message)
        self.bet_id, self.sent = bet_id, sent


@dataclass(frozen=True, slots=True)
class RefundBody:
    """The bet whose stake goes back."""

    bet_id: str


def pay_in(body: bytes, session_id: str, *, foreign: bool = False) -> PayInBody:
    """The body of PayIn. Raises Malformed, as all of these do.

    The signature covers no path: a field of another operation says that the body was signed for that one. With
    ``foreign`` it is passed over.
    """
    fields = _fields(body, session_id, () if foreign else ("winAmount",))
    return PayInBody(_id(fields, "betId"), _amount(fields, "betAmount"), _id(fields, "gameRoundId"))


def pay_in_out(body: bytes, session_id: str, *, foreign: bool = False) -> PayInOutBody:
    """The body of PayInOut, which has the fields of all others. Raises UnreadableWin too."""
    fields = _fields(body, session_id)
    bet_id, stake, round_id = _id(fields, "betId"), _amount(fields, "betAmount"), _id(fields, "gameRoundId")
    return PayInOutBody(bet_id, stake, _win(fields, bet_id), round_id)


def pay_out(body: bytes, session_id: str, *, foreign: bool = False) -> PayOutBody:
    """The body of PayOut. Raises UnreadableWin too."""
    fields = _fields(body, session_id, () if foreign else ("betAmount",))
    bet_id, round_id = _id(fields, "betId"), _id(fields, "gameRoundId")
    return PayOutBody(bet_id, _win(fields, bet_id), round_id)


def refund(body: bytes, session_id: str, *, foreign: bool = False) -> RefundBody:
    """The body of Refund."""
    fields = _fields(body, session_id, () if foreign else ("betAmount", "winAmount"))
    return RefundBody(_id(fields, "betId"))


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


def _fields(body: bytes, session: str, foreign: Sequence[str] = ()) -> dict[str, Any]:
    fields = read_object(body)
    for name in foreign:
        if fields.get(name) is not None:
            raise Malformed(f"{name} is no field of this operation")
    if "sessionId" in fields and (isinstance(fields["sessionId"], Literal) or fields["sessionId"] != session):
        raise Malformed("sessionId is not that of the path")
    return fields


def _id(fields: dict[str, Any], name: str) -> str:
    found = _given(fields, name)
    if not isinstance(found, str) or isinstance(found, Literal) or not _ID.fullmatch(found):
        raise Malformed(f"{name} is a string of 1 to 128 of A-Z a-z 0-9 . _ : -")
    return found


def _given(fields: dict[str, Any], name: str) -> Any:
    if name not in fields:
        raise Malformed(f"{name} is missing")
    return fields[name]


def _amount(fields: dict[str, Any], name: str) -> str:
    found = _given(fields, name)
    if not isinstance(found, str) or not AMOUNT.fullmatch(found):
        raise Malformed(f"{name} is digits with an optional fraction, as a number or a string")
    return str(found)


def _win(fields: dict[str, Any], bet_id: str) -> str:
    name = "winOdd"
    try:
        if name in fields:
            _amount(fields, name)
        name = "winAmount"
        return _amount(fields, name)
    except Malformed as error:
        raise UnreadableWin(str(error), bet_id, _as_sent(fields, name)) from None


def _as_sent(fields: dict[str, Any], name: str) -> str:
    """What stood in a field, for people: printable, and no longer than an incident can hold."""
    if name not in fields:
        return f"{name} is missing"
    found = fields[name]
    said = str(found) if isinstance(found, Literal) else json.dumps(found)
    return f"{name} {said}"[:_SAID]


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
