"""A table of request bodies, and the answer of the readers of requests to each.

``python -m tests.api.bodies`` writes ``bodies.json``. ``test_bodies`` compares: what a partner is answered changes only
together with a line of that file.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from api.casino import schemas as casino_schemas
from api.provider import schemas as provider_schemas
from betcore.domain.errors import Malformed
from betcore.domain.profiles import DEFAULT_ERROR_CODES

FILE = Path(__file__).with_name("bodies.json")
# reader -> its answer to a body -> the fields and literals of the bodies with that answer
Answers = dict[str, dict[str, list[str]]]
Read = Callable[[bytes], object]

SESSION = "sess-abc"
ABSENT = ""
# JSON by the name that it has in the file: its own, if it is short.
_SHORT = """
    null true false [] {} ["1"] {"x":1} 0 1 7 -1 -0 1.0 1.00 1.005 10.00 0.10 0.0 1e2 1E2 1e-2
    999999999999999 999999999999999.99 1000000000000000 9007199254740991 9007199254740992
    "" "0" "1" "-1" "-0" "00" "01" "1.0" "1.00" "1.005" "10.00" "1." ".5" "1e2" "+1" "1,5" "1_0" "\\u0663" "NaN" "null"
    "true" "999999999999999.99" "1000000000000000" "bet-1" "sess-abc" "SESS-ABC" "a/b" "../a" "\\u00e9" "\\ud800"
    "\\u0000" "a\\n" "done" 103802 103803
"""
NOT_JSON = ("00", "01", "1.", ".5", "+1", "1_0", "0x1", "NaN", "Infinity", "-Infinity", "nil")
LITERALS = {one: one for one in _SHORT.split()} | {
    "absent": ABSENT,
    "a space before": '" 1"',
    "a space behind": '"1 "',
    "a space within": '"a b"',
    "128 letters": json.dumps("a" * 128),
    "129 letters": json.dumps("a" * 129),
    "300 letters": json.dumps("a" * 300),
    "40 digits": "9" * 40,
    "40 digits as text": json.dumps("9" * 40),
    "5000 digits": "9" * 5000,
    "200 decimals": "0." + "1" * 200,
}
BET = {"betId": '"bet-1"', "betAmount": '"10.00"', "winAmount": '"25.00"', "gameRoundId": '"round-1"'}
# operation -> the fields that it needs; every field of any operation is tried in each of them
OPERATIONS = {
    "pay_in": ("betId", "betAmount", "gameRoundId"),
    "pay_out": ("betId", "winAmount", "gameRoundId"),
    "pay_in_out": ("betId", "betAmount", "winAmount", "gameRoundId"),
    "refund": ("betId",),
}
MODELS = {
    "pay_in": provider_schemas.PayInBody,
    "pay_out": provider_schemas.PayOutBody,
    "pay_in_out": provider_schemas.PayInOutBody,
    "refund": provider_schemas.RefundBody,
}
FIELDS = (*BET, "winOdd", "sessionId", "taxAmount", "promoCode", "further", "betid")
CREDENTIALS = {"PartnerClientId": "7", "Secret": '"s"'}
ACCEPT = {
    "BetId": "7",
    "PartnerTransactionId": '"t-1"',
    "PartnerUserId": '"anna"',
    "TransactionType": "-1",
    "Amount": '"10.00"',
    "ErrorCode": "200",
    "Message": '"Success"',
}
ACCEPT_FIELDS = (*ACCEPT, "TransactionId", "Balance", "TaxAmount", "further")
GOOD = b'{"betId":"bet-1"}'
_BOTH_SPELLINGS = b"""{"betId":"bet-1","bet_id":"bet-2","gameRoundId":"round-1","game_round_id":true,
    "session_id":"another","win_odd":true,"bet_amount":true,"win_amount":true}"""
WHOLE = {
    "nothing": b"",
    "a space": b" ",
    "null": b"null",
    "true": b"true",
    "a number": b"7",
    "a list": b"[]",
    "text": b'"text"',
    "text without an end": b'"text',
    "an object without an end": GOOD[:-1],
    "names of another spelling": b'{"bet_id":"bet-1","bet_amount":"1","win_amount":"1","game_round_id":"round-1"}',
    "names of both spellings": _BOTH_SPELLINGS,
    "a letter behind": GOOD + b"x",
    "a comma too many": GOOD[:-1] + b",}",
    "twice": GOOD * 2,
    "single quotes": GOOD.replace(b'"', b"'"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "text in UTF-16": '"a"'.encode("utf-16-le"),
    "a byte that is no UTF-8": GOOD.replace(b"bet-1", b"\xff"),
    "half a character": GOOD.replace(b"bet-1", b"\xed\xa0\x80"),
    "a key of half a character": GOOD[:-1] + b',"\\ud800":1}',
    "a key twice": GOOD[:-1] + b',"betId":"bet-1"}',
    "a key twice inside": GOOD[:-1] + b',"further":[{"x":1},{"y":[{"z":1,"z":1}]}]}',
    "a constant inside": GOOD[:-1] + b',"further":[-Infinity]}',
    "a key twice with a constant": GOOD[:-1] + b',"x":{"y":1,"y":NaN}}',
    "32 levels": GOOD[:-1] + b',"further":' + b"[" * 31 + b"]" * 31 + b"}",
    "33 levels": GOOD[:-1] + b',"further":' + b"[" * 32 + b"]" * 32 + b"}",
    "lists without an end": b"[" * 16384,
    "brackets in a string": GOOD[:-1] + b',"further":"\\"' + b"[" * 40 + b'"}',
} | {one: GOOD[:-1] + f',"further":{one}}}'.encode() for one in NOT_JSON}


class Case(NamedTuple):
    """A body, the field that is tried in it, and the literal of that field."""

    field: str
    shown: str
    body: bytes
    literal: str = ABSENT

    def mark(self, value: object) -> object:
        """Return a value as the file shows it: values that are read as they were written share a line."""
        written = json.loads(self.literal) if self.literal.startswith('"') else self.literal
        return "<as written>" if value == written else value


def answers() -> Answers:
    """Return the answer of every reader to every body."""
    made: Answers = {}
    for operation, needed in OPERATIONS.items():
        good = {name: BET[name] for name in needed}
        bodies = [*_one_field(good, FIELDS), *_two_fields(good, FIELDS), *_whole()]
        made[operation] = _grouped(_provider(operation), good, bodies)
        foreign = {name: literal for name, literal in BET.items() if name not in needed}
        bodies = [
            *_one_field({**foreign, **good}, ("sessionId", "winOdd", *foreign)),
            *_two_fields({**foreign, **good}, BET),
        ]
        made[f"{operation}, foreign amounts ignored"] = _grouped(_provider(operation, foreign=True), good, bodies)
    bodies = [*_one_field(CREDENTIALS, CREDENTIALS), *_two_fields(CREDENTIALS, CREDENTIALS), *_whole()]
    made["credentials"] = _grouped(casino_schemas.credentials, CREDENTIALS, bodies)
    token = {"Token": '"a.b.c"'}
    alone = [Case("alone", name, literal.encode(), literal) for name, literal in LITERALS.items()]
    made["token"] = _grouped(casino_schemas.token, token, [*_one_field(token, token), *alone, *_whole()])
    bodies = [*_one_field(ACCEPT, ACCEPT_FIELDS), *_two_fields(ACCEPT, ACCEPT), *_whole()]
    made["accept"] = _grouped(lambda body: casino_schemas.accept(body, DEFAULT_ERROR_CODES), ACCEPT, bodies)
    return made


def _provider(operation: str, *, foreign: bool = False) -> Read:
    model = MODELS[operation]
    return lambda body: provider_schemas.read(model, body, SESSION, ignore_foreign_amounts=foreign)


def _write(fields: Mapping[str, str]) -> bytes:
    """Return the JSON object of these literals; an absent field is left out."""
    return ("{" + ",".join(f'"{name}":{literal}' for name, literal in fields.items() if literal) + "}").encode()


def _one_field(good: Mapping[str, str], names: Iterable[str]) -> Iterator[Case]:
    for name, (shown, literal) in itertools.product(names, LITERALS.items()):
        yield Case(name, shown, _write({**good, name: literal}), literal)


def _two_fields(good: Mapping[str, str], names: Iterable[str]) -> Iterator[Case]:
    """Yield bodies with two fields that cannot be read: which of them the refusal names."""
    for (one, other), literal in itertools.product(itertools.permutations(names, 2), ("true", ABSENT)):
        rest = {name: value for name, value in good.items() if name not in (one, other)}
        body = _write({other: literal, **rest, one: "true"})
        yield Case(f"{one} true, {'absent' if literal == ABSENT else 'true'}", other, body)


def _whole() -> Iterator[Case]:
    return (Case("body", name, body) for name, body in WHOLE.items())


def _grouped(read: Read, good: Mapping[str, str], cases: Iterable[Case]) -> dict[str, list[str]]:
    usual, found = _fields(read(_write(good))), dict[str, dict[str, list[str]]]()
    for case in cases:
        found.setdefault(_answer(read, case, usual), {}).setdefault(case.field, []).append(case.shown)
    return {one: [f"{field}: {'  '.join(shown)}" for field, shown in found[one].items()] for one in sorted(found)}


def _answer(read: Read, case: Case, usual: Mapping[str, object]) -> str:
    """Return the refusal with its incident, or the fields that were read and differ from the good body's."""
    try:
        found = _fields(read(case.body))
    except provider_schemas.UnreadableWin as error:
        as_sent = error.sent == f"{case.field} {case.literal}"[:100]
        return f"{error} | incident of {error.bet_id}: {'<as written>' if as_sent else error.sent}"
    except casino_schemas.UnreadableAccept as error:
        return f"{error} | about {error.about}"
    except Malformed as error:
        return str(error)
    return f"read {json.dumps({k: case.mark(v) for k, v in found.items() if v != usual[k]}, default=str)}"


def _fields(found: Any) -> dict[str, object]:
    match found:
        case str():
            return {"text": found}
        case tuple():
            return {str(number): value for number, value in enumerate(found)}
        case BaseModel():
            return found.model_dump(exclude={"session_id", "win_odd"})
        case _:
            return asdict(found)


if __name__ == "__main__":
    FILE.write_text(json.dumps(answers(), indent=1) + "\n")
