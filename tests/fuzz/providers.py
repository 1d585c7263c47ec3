"""Hostile calls of a provider, each with the one answer that the protocol has for it.

The protocol is implemented a second time here: the service's parsers are not used. A mutated body that is still valid,
and would move money, goes to a session in which none can move.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import unquote_to_bytes

from betcore.provider import xsign
from tests.fuzz import odd
from tests.fuzz.cases import Case, Told
from tests.fuzz.forged import broken_headers
from tests.fuzz.mutations import bent, members, swept
from tests.fuzz.scene import FRESH, OPEN, ROUND, SETTLED, STAKE, WIN, Scene
from tests.fuzz.strict import NotJson, Number, read_object
from tests.fuzz.wire import Headers, Request

MALFORMED, TOO_LARGE = (400, 2, "malformed"), (413, 2, "too_large")
NOT_AUTHORISED = (401, 8, "not_authorised")
UNKNOWN_ROUTE, WRONG_METHOD, WRONG_TYPE = (
    (404, 2, "unknown_route"),
    (405, 2, "wrong_method"),
    (415, 2, "wrong_content_type"),
)
SESSION_UNKNOWN, SESSION_DEMO = (200, 3, "session_unknown"), (200, 3, "session_demo")
DONE, DIFFERENT, ALREADY_SETTLED = (200, 1, None), (200, 6, "different_data"), (200, 6, "already_settled")
BELOW, ABOVE = (200, 7, "below_min_bet"), (200, 7, "above_max_bet")
EARLY = (503, 99, "outcome_unknown")

MAX_BODY = 64 * 1024
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,14})(?:\.([0-9]+))?")
_PATH = re.compile(rb"/v1/sessions/([^/]+)/(balance|bets/(?:pay-in|pay-out|pay-in-out|refund))")

FIELDS = {
    "pay-in": {"betId": "", "betAmount": STAKE, "gameRoundId": ROUND},
    "pay-out": {"betId": "", "winAmount": WIN, "gameRoundId": ROUND},
    "pay-in-out": {"betId": "", "betAmount": STAKE, "winAmount": WIN, "gameRoundId": ROUND},
    "refund": {"betId": ""},
}


@dataclass(frozen=True, slots=True)
class _Call:
    """A call before it is signed. ``to`` is a session id as the path has it; in an odd one it stands for ``{s}``."""

    operation: str
    to: str
    body: bytes
    method: str = "POST"
    path: str = ""
    query: str = ""
    types: tuple[str, ...] = ("application/json",)
    more: Headers = ()
    chunk: int = 0

    @property
    def target(self) -> str:
        below = "balance" if self.operation == "balance" else f"bets/{self.operation}"
        return (self.path.replace("{s}", self.to) or f"/v1/sessions/{self.to}/{below}") + self.query


class Providers:
    """Makes cases against one scene, each a function of seed and number alone."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._sessions = {
            scene.partner.session_id: "ours",
            scene.demo: "demo",
            scene.other.session_id: "another's",
        }

    def case(self, random: Random, number: int) -> Case:
        """Return the case of a number."""
        kind = random.choices(list(_KINDS), list(_KINDS.values()))[0]
        made: Case = getattr(self, f"_{kind}")(random, number)
        return made

    def sweep(self) -> list[Case]:
        """Put each of the sharp pieces into each field of each operation that would move money."""
        found, ours = [], self._scene.partner.session_id
        for operation, fields in FIELDS.items():
            bet = FRESH if "betAmount" in fields else OPEN
            optional = {"sessionId": ours} | ({"winOdd": "2.5"} if "winAmount" in fields else {})
            bodies = swept(dict(fields, betId=bet, **optional))
            found += [self._judged(Random(operation), _Call(operation, ours, body)) for body in bodies]
        return found

    # What is signed rightly

    def _body(self, random: Random, number: int) -> Case:
        call = self._good(random)
        fields: dict[str, object] = dict(FIELDS[call.operation], betId=random.choice((OPEN, OPEN, SETTLED, FRESH)))
        if random.random() < 0.3:
            fields["sessionId"] = random.choice((call.to, call.to, self._scene.other.session_id))
        if "winAmount" in fields and random.random() < 0.4:
            fields["winOdd"] = "2.5"
        body = bent(random, members(fields))
        if random.random() < 0.1:
            call = replace(call, types=(random.choice(odd.TYPES),))
        return self._judged(random, replace(call, body=body))

    def _wrapping(self, random: Random, number: int) -> Case:
        """Return the good body, and everything around it odd."""
        call = self._good(random)
        match random.randrange(7):
            case 0:
                call = replace(
                    call, types=random.choice([(), *((one,) for one in odd.TYPES), ("application/json",) * 2])
                )
            case 1:
                call = replace(call, method=random.choice(odd.METHODS))
            case 2:
                call = replace(call, path=random.choice(odd.PATHS))
            case 3:
                call = replace(call, to=random.choice(odd.SESSIONS))
            case 4:
                call = replace(
                    call,
                    query=random.choice(("?", "?sessionId=x", "?betAmount=1&betAmount=2", "?%00", "?" + "a" * 5000)),
                )
            case 5:
                call = replace(call, more=tuple(random.sample(odd.HEADERS, random.randrange(1, 6))))
            case _:
                call = replace(call, chunk=random.choice((1, 7, 4096)))
        return self._judged(random, call)

    def _balance(self, random: Random, number: int) -> Case:
        call = _Call("balance", self._scene.partner.session_id, b"", "GET", types=())
        match random.randrange(5):
            case 0:
                call = replace(call, body=bent(random, members({"betId": OPEN})) or b" ")
            case 1:
                call = replace(call, method=random.choice((*odd.METHODS, "POST")))
            case 2:
                call = replace(
                    call, to=random.choice((*odd.SESSIONS, self._scene.demo, self._scene.other.session_id, "nobody"))
                )
            case 3:
                call = replace(call, more=tuple(random.sample(odd.HEADERS, 3)))
            case _:
                call = replace(call, query="?sessionId=" + self._scene.other.session_id)
        return self._judged(random, call)

    def _limit(self, random: Random, number: int) -> Case:
        """Return a new stake outside of the game's limits: it is refused, and a row of its own records that."""
        amount, told = random.choice(
            (
                ("0.09", BELOW),
                ("0.01", BELOW),
                ("500.01", ABOVE),
                ("999999999999999", ABOVE),
                ("999999999999999.99", ABOVE),
            )
        )
        bet = f"limit-{number}"
        operation = random.choice(("pay-in", "pay-in-out"))
        body = xsign.compact(dict(FIELDS[operation], betId=bet, betAmount=amount))
        return Case(self._signed(_Call(operation, self._scene.partner.session_id, body)), told, refused=bet)

    def _early(self, random: Random, number: int) -> Case:
        """Return a PayOut of an unknown bet."""
        body = xsign.compact(dict(FIELDS["pay-out"], betId=f"early-{number}"))
        return Case(self._signed(_Call("pay-out", self._scene.partner.session_id, body)), EARLY)

    def _cut(self, random: Random, number: int) -> Case:
        call = replace(self._good(random), chunk=random.choice((0, 0, 16)))
        return Case(replace(self._signed(call), cut=True), None)

    # What is not

    def _forged(self, random: Random, number: int) -> Case:
        """Good, or bent, and not signed by us: nothing of it is looked at."""
        call = self._good(random)
        if random.random() < 0.5:
            call = replace(call, body=bent(random, members(dict(FIELDS[call.operation], betId=OPEN))))
        request = self._signed(call)
        headers = broken_headers(random, dict(request.headers), self._scene, call.body)
        return Case(replace(request, headers=headers), _size(call.body) or NOT_AUTHORISED)

    def _replayed(self, random: Random, number: int) -> Case:
        """Send a request id in a session in which no money can move, then again with a call that would move money."""
        call = self._good(random)
        first = self._signed(
            replace(call, to=random.choice(("nobody", self._scene.demo)), method=random.choice(("POST", "PUT")))
        )
        told = (
            WRONG_METHOD
            if first.method == "PUT"
            else SESSION_DEMO
            if self._scene.demo in first.path
            else SESSION_UNKNOWN
        )
        again = replace(first, method="POST", path=replace(call, operation=random.choice(list(FIELDS))).target)
        return Case(first, told, again=again, again_told=NOT_AUTHORISED)

    # The answer to what is signed rightly

    def _good(self, random: Random) -> _Call:
        operation = random.choice(list(FIELDS))
        bet = FRESH if "betAmount" in FIELDS[operation] else OPEN
        body = xsign.compact(dict(FIELDS[operation], betId=bet))
        return _Call(operation, self._scene.partner.session_id, body)

    def _judged(self, random: Random, call: _Call) -> Case:
        told = self._told(call)
        if told is None:
            # Still valid, and it would move money: so it goes to a session in which it cannot.
            call = replace(call, to=random.choice(("nobody", self._scene.demo, self._scene.other.session_id)))
            told = self._told(call)
            assert told is not None
        return Case(self._signed(call), told)

    def _told(self, call: _Call) -> Told | None:
        """Return the first refusal in the order of the checks, or None for a call that moves money."""
        path = _PATH.fullmatch(unquote_to_bytes(call.target.partition("?")[0]))
        if size := _size(call.body):
            return size
        if path is None:
            return UNKNOWN_ROUTE
        below = path[2].decode()
        if call.method != ("GET" if below == "balance" else "POST"):
            return WRONG_METHOD
        if below != "balance" and call.body and not _is_json(call.types):
            return WRONG_TYPE
        session = path[1].decode("utf-8", "replace")
        if not _ID.fullmatch(session):
            return MALFORMED
        whose = self._sessions.get(session)
        if below == "balance":
            return MALFORMED if call.body else _in_session(whose) or DONE
        operation = below.rpartition("/")[2]
        fields = _read(call.body, operation, session)
        if fields is None:
            return MALFORMED
        return _in_session(whose) or _meant(operation, fields)

    def _signed(self, call: _Call) -> Request:
        partner = self._scene.partner
        signature = xsign.headers(partner.secret, partner.counterparty_id, call.body).items()
        types = tuple(("Content-Type", one) for one in call.types)
        return Request(call.method, call.target, (*types, *call.more, *signature), call.body, call.chunk)


# kind -> how often
_KINDS = {"body": 60, "wrapping": 12, "balance": 2, "forged": 12, "replayed": 6, "limit": 0.3, "early": 0.7, "cut": 1}


def _size(body: bytes) -> Told | None:
    return TOO_LARGE if len(body) > MAX_BODY else None


def _is_json(types: tuple[str, ...]) -> bool:
    return len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json"


def _in_session(whose: str | None) -> Told | None:
    """Return None in the session in which money moves."""
    if whose == "ours":
        return None
    return SESSION_DEMO if whose == "demo" else SESSION_UNKNOWN


def _read(body: bytes, operation: str, session: str) -> dict[str, Any] | None:
    """Return the fields that count, amounts as text; None for what the protocol does not take."""
    try:
        found = read_object(body)
    except NotJson:
        return None
    if "sessionId" in found and found["sessionId"] != session:
        return None
    if operation in ("pay-out", "pay-in-out") and "winOdd" in found and is_amount(found["winOdd"]) is None:
        return None
    read: dict[str, Any] = {}
    for name in FIELDS[operation]:
        value = found.get(name)
        if name.endswith("Amount"):
            read[name] = is_amount(value)
        else:
            read[name] = value if isinstance(value, str) and _ID.fullmatch(value) else None
        if read[name] is None:
            return None
    return read


def is_amount(value: object) -> str | None:
    text = value.text if isinstance(value, Number) else value
    return text if isinstance(text, str) and _AMOUNT.fullmatch(text) else None


def _meant(operation: str, fields: dict[str, Any]) -> Told | None:
    """Return the answer to a valid body in the session in which money moves, or None if it would move money."""
    amounts = {name: fields[name] for name in fields if name.endswith("Amount")}
    if any(len(amount.partition(".")[2]) > 2 for amount in amounts.values()):
        return MALFORMED  # euros have two decimals
    bet, same_round = fields["betId"], fields.get("gameRoundId") == ROUND
    if bet not in (OPEN, SETTLED):
        return None
    if operation == "pay-in":
        return DONE if same_round and Decimal(amounts["betAmount"]) == Decimal(STAKE) else DIFFERENT
    if operation == "pay-in-out":
        return DIFFERENT
    if operation == "refund":
        return ALREADY_SETTLED if bet == SETTLED else None
    if not same_round:
        return DIFFERENT
    if bet == OPEN:
        return None
    return DONE if Decimal(amounts["winAmount"]) == Decimal(WIN) else DIFFERENT
