"""Hostile calls of a casino, each with the one answer that the protocol has for it. A second reading, as for providers.

An Accept that bending has left good, and that would be the first one of what is owed, comes from another casino.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from tests.fuzz import odd
from tests.fuzz.cases import Case, Told
from tests.fuzz.forged import broken_token
from tests.fuzz.logins import (
    CONTRADICTION,
    DONE,
    MALFORMED,
    NO_METHOD,
    NO_PATH,
    NOT_AUTHORISED,
    UNKNOWN,
    LogIns,
    bearer,
    object_in,
    typed,
    wrong_bearer,
)
from tests.fuzz.mutations import bent, members, swept
from tests.fuzz.scene import CANCELLED, CASINOS, OWED, PROMISED, SETTLED, Scene
from tests.fuzz.strict import NotJson, Number, read
from tests.fuzz.wire import Headers, Request

TOKEN, VERIFY = f"{CASINOS}/auth/token", f"{CASINOS}/auth/verify"
OURS, NOT_OURS = (200, 200, True), (200, 200, False)

_SUCCESS = "200"
_CODES = {_SUCCESS, "102145", "103801", "102823", "103802", "103804", "103805", "103806", "103807", "103808", "103809"}
_TYPES = {-2, -1, 1, 2, 4}
_WRITTEN = re.compile(r" *([+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?) *")


@dataclass(frozen=True, slots=True)
class _Accept:
    """A call by which a casino confirms: its path, the field that names what it confirms, and what was sent of each.

    The credit of ``owed`` is not confirmed yet.
    """

    path: str
    number: str
    owed: str
    sent: dict[str, tuple[int, ...]]


_OF_BETS = _Accept(f"{CASINOS}/payments/accept", "BetId", OWED, {OWED: (1, -1), SETTLED: (1, -1)})
_OF_CASHBACKS = _Accept(
    f"{CASINOS}/cashback-payments/accept", "CashbackId", PROMISED, {PROMISED: (1,), CANCELLED: (1, -2)}
)


class Casinos:
    """Makes cases against one scene, each a function of seed and number alone."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._log_ins = LogIns(scene, TOKEN)

    def case(self, random: Random, number: int) -> Case:
        """Return the case of a number."""
        kind = random.choices(list(_KINDS), list(_KINDS.values()))[0]
        made: Case = getattr(self, f"_{kind}")(random)
        return made

    def sweep(self) -> list[Case]:
        """Return each field of each call with each of the sharp pieces in it."""
        dice = Random(0)
        return [
            *(self._judged(dice, _OF_BETS, body) for body in swept(self._scene.accept(OWED, 1, TaxAmount="0.10"))),
            *(self._judged(dice, _OF_CASHBACKS, body) for body in swept(self._scene.accept(PROMISED, 1))),
            *self._log_ins.sweep(dice),
            *(self._question(dice, body) for body in swept({"Token": self._scene.message})),
            # A reader of bytes may guess these.
            *(
                self._question(dice, '"a"'.encode(name))
                for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
            ),
        ]

    # payments/accept and cashback-payments/accept

    def _accept(self, random: Random) -> Case:
        accept = random.choice((_OF_BETS, _OF_BETS, _OF_CASHBACKS))
        kind = random.choice((1, 1, *accept.sent[accept.owed]))
        name = accept.owed
        if random.random() < 0.4:
            name = random.choice(list(accept.sent))
            kind = random.choice(accept.sent[name])
        fields = self._scene.accept(name, kind)
        if random.random() < 0.2:
            fields["TaxAmount"] = "0.10"
        if random.random() < 0.1:
            # What one call confirms is unknown to the other one.
            fields[accept.number] = random.choice(list(self._scene.numbers.values()))
        if random.random() < 0.15:
            fields["ErrorCode"] = random.choice((103802, "103805", 102823, 103803))
        return self._judged(random, accept, bent(random, members(fields)))

    def _judged(self, random: Random, accept: _Accept, body: bytes, more: Headers = ()) -> Case:
        told = self._told(accept, body)
        holder = self._scene.accepting
        if told is None:
            told, holder = UNKNOWN, self._scene.other
        chunk = random.choice((0, 0, 0, 0, 13))
        return Case(Request("POST", accept.path, (*typed(random), *more, self._bearer(holder)), body, chunk), told)

    def _told(self, accept: _Accept, body: bytes) -> Told | None:
        said = _accept_in(body, accept.number)
        if said is None:
            return MALFORMED
        name = {self._scene.numbers[name]: name for name in accept.sent}.get(said[accept.number])
        if name is None or said["TransactionType"] not in accept.sent[name]:
            return UNKNOWN
        return self._of_a_movement(name, said, owed=(name, said["TransactionType"]) == (accept.owed, 1))

    def _of_a_movement(self, name: str, said: dict[str, Any], *, owed: bool) -> Told | None:
        kind = said["TransactionType"]
        stands = self._scene.accept(name, kind)
        amount = Decimal(stands["Amount"])
        same = (
            # A debit may be written with a sign, and as finely as the casino likes.
            said["Amount"] in ((amount, -amount) if kind < 0 else (amount,))
            and said["PartnerUserId"] == stands["PartnerUserId"]
            and said["TransactionId"] in (None, stands["TransactionId"])
        )
        if not same:
            return CONTRADICTION
        if owed:
            return None
        if said["ErrorCode"] != _SUCCESS:
            return CONTRADICTION
        return DONE if said["PartnerTransactionId"] == self._scene.first_word[name, kind] else CONTRADICTION

    def _unlet(self, random: Random) -> Case:
        """Return an Accept that is good, and a bearer that is not."""
        accept = random.choice((_OF_BETS, _OF_CASHBACKS))
        fields = self._scene.accept(random.choice(list(accept.sent)), 1)
        body = bent(random, members(fields)) if random.random() < 0.3 else members_written(fields)
        client = self._scene.accepting.partner_client_id
        token, of_the_feed = self._scene.tokens[client], self._scene.feed_tokens[client]
        headers = (*typed(random), *wrong_bearer(random, token, of_the_feed, self._scene.message))
        # The caller is authenticated first: nothing is read for one that is not.
        return Case(Request("POST", accept.path, headers, body), NOT_AUTHORISED)

    # auth

    def _token(self, random: Random) -> Case:
        return self._log_ins.case(random)

    def _verify(self, random: Random) -> Case:
        message = self._scene.message
        token = message if random.random() < 0.3 else broken_token(random, message)
        if random.random() < 0.5:
            body = bent(random, members({"Token": token}))
        else:
            body = members_text(token) + random.choice((b"", b"", b" ", b"x", b'"'))
        return self._question(random, body)

    def _question(self, random: Random, body: bytes) -> Case:
        return Case(Request("POST", VERIFY, typed(random), body), _of_a_question(body, self._scene.message))

    # All

    def _wrapping(self, random: Random) -> Case:
        accept = random.choice((_OF_BETS, _OF_CASHBACKS))
        body = members_written(self._scene.accept(accept.owed, 1))
        headers = (*typed(random), self._bearer(self._scene.accepting))
        if random.random() < 0.4:
            path = random.choice((TOKEN, VERIFY, accept.path))
            return Case(Request(random.choice((*odd.METHODS, "GET")), path, headers, body), NO_METHOD)
        if random.random() < 0.5:
            return Case(Request("POST", CASINOS + random.choice(odd.CASINO_PATHS), headers, body), NO_PATH)
        more = tuple(one for one in random.sample(odd.HEADERS, 3) if one[0] != "Authorization")
        confirmed = next(name for name in accept.sent if name != accept.owed)
        return self._judged(random, accept, members_written(self._scene.accept(confirmed, 1)), more)

    def _cut(self, random: Random) -> Case:
        accept = random.choice((_OF_BETS, _OF_CASHBACKS))
        body = members_written(self._scene.accept(accept.owed, 1))
        headers = (*typed(random), self._bearer(self._scene.accepting))
        return Case(Request("POST", accept.path, headers, body, random.choice((0, 16)), cut=True), None)

    def _bearer(self, partner: Any) -> tuple[str, str]:
        return bearer(self._scene.tokens[partner.partner_client_id])


# kind -> how often
_KINDS = {"accept": 55, "unlet": 12, "token": 12, "verify": 14, "wrapping": 6, "cut": 1}


def members_written(fields: dict[str, Any]) -> bytes:
    """Return a good body."""
    return b"{" + b",".join(name + b":" + value for name, value in members(fields)) + b"}"


def members_text(text: str) -> bytes:
    """Return a JSON string."""
    return members({"": text})[0][1]


def _named(found: dict[str, Any], name: str) -> object:
    """Return a field under its own name, or else under the same letters in another case."""
    if name in found:
        return found[name]
    alike = [value for key, value in found.items() if key.isascii() and key.upper() == name.upper()]
    # Two of them that differ are no value at all.
    return (alike[0] if all(one == alike[0] for one in alike) else ...) if alike else None


def _text(value: object) -> str | None:
    """Return what is written there, as a number or as text."""
    text = value.text if isinstance(value, Number) else value
    return text if isinstance(text, str) and text else None


def _decimal(value: object) -> Decimal | None:
    text = _text(value)
    written = _WRITTEN.fullmatch(text) if text is not None and len(text) <= 64 else None
    return Decimal(written[1]) if written else None


def _count(value: object, low: int, high: int) -> int | None:
    """Return a whole number, whatever it is written like."""
    number = _decimal(value)
    if number is None or not low <= number <= high or number != int(number):
        return None
    return int(number)


def _accept_in(body: bytes, number: str) -> dict[str, Any] | None:
    """Return the fields of an Accept; None for what the protocol does not take."""
    found = object_in(body)
    if found is None:
        return None
    code, named = _text(_named(found, "ErrorCode")), _named(found, "TransactionId")
    if code is not None and re.fullmatch(r"[1-9][0-9]*\.0+", code):
        code = code.partition(".")[0]
    said = {
        number: _count(_named(found, number), 1, 2**53 - 1),
        "TransactionType": _count(_named(found, "TransactionType"), -32767, 32767),
        "Amount": _decimal(_named(found, "Amount")),
        "PartnerUserId": _text(_named(found, "PartnerUserId")),
        "ErrorCode": code,
    }
    if None in said.values() or code not in _CODES or said["TransactionType"] not in _TYPES:
        return None
    if named not in (None, "") and _text(named) is None:
        return None
    theirs = _text(_named(found, "PartnerTransactionId"))
    if theirs is None and code == _SUCCESS:
        return None
    return said | {"TransactionId": _text(named), "PartnerTransactionId": theirs}


def _of_a_question(body: bytes, message: str) -> Told:
    try:
        found = read(body)
    except NotJson:
        return MALFORMED
    token = found.get("Token") if isinstance(found, dict) else found
    if not isinstance(token, str):
        return MALFORMED
    return OURS if token == message else NOT_OURS
