"""Hostile calls of a casino, each with the one answer that the protocol has for it. A second reading, as for providers.

An Accept that bending has left good, and that would be the first one of what is owed, comes from another casino.
"""

import re
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

from tests.fuzz import odd
from tests.fuzz.cases import Case, Told
from tests.fuzz.forged import broken_token
from tests.fuzz.mutations import bent, members, swept
from tests.fuzz.providers import MAX_BODY
from tests.fuzz.scene import OWED, SETTLED, STAKE, WIN, Scene
from tests.fuzz.strict import NotJson, Number, read, read_object
from tests.fuzz.wire import Headers, Request

PREFIX = "/mis-api/api/v2"
TOKEN, VERIFY, ACCEPT = (f"{PREFIX}/{path}" for path in ("auth/token", "auth/verify", "payments/accept"))
DONE, CONTRADICTION, UNKNOWN_BET = ((200, code, None) for code in (200, 103803, 103804))
MALFORMED = (400, 103801, None)
OURS, NOT_OURS = (200, 200, True), (200, 200, False)
TOO_LARGE, NOT_AUTHORISED = (413, 103801, None), (401, 401, None)
NO_PATH, NO_METHOD = (404, 404, None), (405, 405, None)

_SUCCESS = "200"
_CODES = {_SUCCESS, "102145", "103801", "102823", "103802", "103804", "103805", "103806", "103807", "103808", "103809"}
_TYPES = {-2, -1, 1, 2, 4}
_WRITTEN = re.compile(r" *([+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?) *")


class Casinos:
    """Makes cases against one scene, each a function of seed and number alone."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def case(self, random: Random, number: int) -> Case:
        """Return the case of a number."""
        kind = random.choices(list(_KINDS), list(_KINDS.values()))[0]
        made: Case = getattr(self, f"_{kind}")(random)
        return made

    def sweep(self) -> list[Case]:
        """Return each field of each call with each of the sharp pieces in it."""
        dice = Random(0)
        accept = self._scene.accept(OWED, 1, TaxAmount="0.10")
        return [
            *(self._judged(dice, body) for body in swept(accept)),
            *(self._log_in(dice, body) for body in swept(self._account(self._scene.accepting))),
            *(self._question(dice, body) for body in swept({"Token": self._scene.message})),
            # A reader of bytes may guess these.
            *(
                self._question(dice, '"a"'.encode(name))
                for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
            ),
        ]

    # payments/accept

    def _accept(self, random: Random) -> Case:
        bet, kind = random.choice(((OWED, 1), (OWED, 1), (OWED, -1), (SETTLED, -1), (SETTLED, 1)))
        fields = self._scene.accept(bet, kind)
        if random.random() < 0.2:
            fields["TaxAmount"] = "0.10"
        if random.random() < 0.1:
            fields["BetId"] = self._scene.bets["bet-of-another"]
        if random.random() < 0.15:
            fields["ErrorCode"] = random.choice((103802, "103805", 102823, 103803))
        return self._judged(random, bent(random, members(fields)))

    def _judged(self, random: Random, body: bytes, more: Headers = ()) -> Case:
        told = self._told(body)
        holder = self._scene.accepting
        if told is None:
            told, holder = UNKNOWN_BET, self._scene.other
        chunk = random.choice((0, 0, 0, 0, 13))
        return Case(Request("POST", ACCEPT, (*_typed(random), *more, self._bearer(holder)), body, chunk), told)

    def _told(self, body: bytes) -> Told | None:
        if len(body) > MAX_BODY:
            return TOO_LARGE
        said = _accept_in(body)
        if said is None:
            return MALFORMED
        bets = {self._scene.bets[OWED]: OWED, self._scene.bets[SETTLED]: SETTLED}
        bet = bets.get(said["BetId"])
        if bet is None:
            return UNKNOWN_BET
        return self._of_a_bet(bet, said)

    def _of_a_bet(self, bet: str, said: dict[str, Any]) -> Told | None:
        kind = said["TransactionType"]
        if kind not in (-1, 1):
            return UNKNOWN_BET
        stands = self._scene.accept(bet, kind)
        same = (
            # A debit may be written with a sign, and as finely as the casino likes.
            said["Amount"] in ((Decimal(STAKE), -Decimal(STAKE)) if kind == -1 else (Decimal(WIN),))
            and said["PartnerUserId"] == stands["PartnerUserId"]
            and said["TransactionId"] in (None, stands["TransactionId"])
        )
        if not same:
            return CONTRADICTION
        if (bet, kind) == (OWED, 1):
            return None
        if said["ErrorCode"] != _SUCCESS:
            return CONTRADICTION
        return DONE if said["PartnerTransactionId"] == self._scene.first_word[bet, kind] else CONTRADICTION

    def _unlet(self, random: Random) -> Case:
        """Return an Accept that is good, and a bearer that is not."""
        bet, kind = random.choice(((OWED, 1), (SETTLED, 1)))
        request = self._judged(random, b"{}").request
        fields = self._scene.accept(bet, kind)
        body = bent(random, members(fields)) if random.random() < 0.3 else members_written(fields)
        token = self._scene.tokens[self._scene.accepting.partner_client_id]
        bad = broken_token(random, token)
        wrong: list[Headers] = [
            (),
            (("Authorization", f"Bearer {token}"),) * 2,
            *(
                ((("Authorization", value)),)
                for value in (f"Basic {token}", token, "Bearer", "", f"Bearer {token} x", f"Bearer,{token}")
            ),
            (("Authorization", f"Bearer {self._scene.message}"),),
            *(((("Authorization", f"Bearer {bad}")),) for _ in range(8)),
        ]
        headers = tuple(one for one in request.headers if one[0] != "Authorization") + random.choice(wrong)
        # The caller is authenticated first: nothing is read for one that is not.
        return Case(replace(request, headers=headers, body=body, chunk=0), NOT_AUTHORISED)

    # auth

    def _token(self, random: Random) -> Case:
        entry, other = self._scene.accepting, self._scene.other
        fields = self._account(entry) | {"Secret": random.choice((entry, other)).casino_secret}
        return self._log_in(random, bent(random, members(fields)))

    def _log_in(self, random: Random, body: bytes) -> Case:
        told = TOO_LARGE if len(body) > MAX_BODY else self._of_a_log_in(_object(body))
        return Case(Request("POST", TOKEN, _typed(random), body), told)

    @staticmethod
    def _account(partner: Any) -> dict[str, object]:
        return {"PartnerClientId": partner.partner_client_id, "Secret": partner.casino_secret}

    def _of_a_log_in(self, found: dict[str, Any] | None) -> Told:
        client = _integer(found.get("PartnerClientId")) if found else None
        secret = found.get("Secret") if found else None
        if client is None or not isinstance(secret, str):
            return MALFORMED
        known = {one.partner_client_id: one.casino_secret for one in (self._scene.accepting, self._scene.other)}
        return DONE if known.get(client) == secret else NOT_AUTHORISED

    def _verify(self, random: Random) -> Case:
        message = self._scene.message
        token = message if random.random() < 0.3 else broken_token(random, message)
        if random.random() < 0.5:
            body = bent(random, members({"Token": token}))
        else:
            body = members_text(token) + random.choice((b"", b"", b" ", b"x", b'"'))
        return self._question(random, body)

    def _question(self, random: Random, body: bytes) -> Case:
        return Case(Request("POST", VERIFY, _typed(random), body), _of_a_question(body, self._scene.message))

    # All

    def _wrapping(self, random: Random) -> Case:
        body = members_written(self._scene.accept(OWED, 1))
        bearer = self._bearer(self._scene.accepting)
        if random.random() < 0.4:
            path = random.choice((TOKEN, VERIFY, ACCEPT))
            return Case(Request(random.choice((*odd.METHODS, "GET")), path, (*_typed(random), bearer), body), NO_METHOD)
        if random.random() < 0.5:
            return Case(
                Request("POST", PREFIX + random.choice(odd.CASINO_PATHS), (*_typed(random), bearer), body), NO_PATH
            )
        more = tuple(one for one in random.sample(odd.HEADERS, 3) if one[0] != "Authorization")
        return self._judged(random, members_written(self._scene.accept(SETTLED, 1)), more)

    def _cut(self, random: Random) -> Case:
        body = members_written(self._scene.accept(OWED, 1))
        headers = (*_typed(random), self._bearer(self._scene.accepting))
        return Case(Request("POST", ACCEPT, headers, body, random.choice((0, 16)), cut=True), None)

    def _bearer(self, partner: Any) -> tuple[str, str]:
        return ("Authorization", f"Bearer {self._scene.tokens[partner.partner_client_id]}")


# kind -> how often
_KINDS = {"accept": 55, "unlet": 12, "token": 12, "verify": 14, "wrapping": 6, "cut": 1}


def members_written(fields: dict[str, Any]) -> bytes:
    """Return a good body."""
    return b"{" + b",".join(name + b":" + value for name, value in members(fields)) + b"}"


def members_text(text: str) -> bytes:
    """Return a JSON string."""
    return members({"": text})[0][1]


def _typed(random: Random) -> Headers:
    """Casinos' bodies are JSON whatever they are called."""
    kind = "application/json" if random.random() < 0.8 else random.choice(odd.TYPES)
    return (("Content-Type", kind),)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        return read_object(body)
    except NotJson:
        return None


def _integer(value: object, low: int = 1, high: int = 2**53 - 1) -> int | None:
    if not isinstance(value, Number) or not value.text.isdigit() or len(value.text) > 16:
        return None
    return int(value.text) if low <= int(value.text) <= high else None


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


def _accept_in(body: bytes) -> dict[str, Any] | None:
    """Return the fields of an Accept; None for what the protocol does not take."""
    found = _object(body)
    if found is None:
        return None
    code, named = _text(_named(found, "ErrorCode")), _named(found, "TransactionId")
    if code is not None and re.fullmatch(r"[1-9][0-9]*\.0+", code):
        code = code.partition(".")[0]
    said = {
        "BetId": _count(_named(found, "BetId"), 1, 2**53 - 1),
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
    if len(body) > MAX_BODY:
        return TOO_LARGE
    try:
        found = read(body)
    except NotJson:
        return MALFORMED
    token = found.get("Token") if isinstance(found, dict) else found
    if not isinstance(token, str):
        return MALFORMED
    return OURS if token == message else NOT_OURS
