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
from tests.fuzz.scene import FRESH, GRAND, JACKPOT, OPEN, POOLED, ROUND, SEED, SETTLED, STAKE, WIN, Scene
from tests.fuzz.strict import NotJson, Number, read_object
from tests.fuzz.wire import Headers, Request

MALFORMED = (400, 2, "malformed")
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
NO_SUCH_POOL = (400, 2, "jackpot_unknown")

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,14})(?:\.([0-9]+))?")
_POOL = re.compile(r"[1-9][0-9]{0,14}")
_PATH = re.compile(rb"/v1/sessions/([^/]+)/(balance|bets/(?:pay-in|pay-out|pay-in-out|refund))")

FIELDS = {
    "pay-in": {"betId": "", "betAmount": STAKE, "gameRoundId": ROUND},
    "pay-out": {"betId": "", "winAmount": WIN, "gameRoundId": ROUND},
    "pay-in-out": {"betId": "", "betAmount": STAKE, "winAmount": WIN, "gameRoundId": ROUND},
    "refund": {"betId": ""},
}
_WITH_WINNINGS = {"winOdd", "jackpotAmount", "jackpotId"}
# What no body of another operation may have.
_OF_ONE_OPERATION = {"betAmount", "winAmount", "jackpotAmount", "jackpotId"}


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
            own = dict(fields, betId=bet)
            bodies = [
                *swept(own | optional),
                *swept(own | {"jackpotAmount": JACKPOT}, "jackpotAmount"),
                *swept(own | {"jackpotId": self._scene.pool}, "jackpotId"),
            ]
            if operation == "pay-out":
                grand = own | {"betId": GRAND, "jackpotAmount": JACKPOT}
                pooled = own | {"betId": POOLED, "jackpotId": self._scene.pool}
                # As they were sent: the answer has the jackpot.
                bodies += [xsign.compact(grand), xsign.compact(pooled)]
                bodies += [*swept(grand, "jackpotAmount"), *swept(pooled, "jackpotId")]
            found += [self._judged(Random(operation), _Call(operation, ours, body)) for body in bodies]
        return found

    # What is signed rightly

    def _body(self, random: Random, number: int) -> Case:
        call = self._good(random)
        bet = random.choice((OPEN, OPEN, SETTLED, GRAND, POOLED, FRESH))
        fields: dict[str, object] = dict(FIELDS[call.operation], betId=bet)
        if random.random() < 0.3:
            fields["sessionId"] = random.choice((call.to, call.to, self._scene.other.session_id))
        if "winAmount" in fields and random.random() < 0.4:
            fields["winOdd"] = "2.5"
        if random.random() < (0.4 if "winAmount" in fields else 0.05):
            pools = self._scene.pool, self._scene.pool, self._scene.foreign_pool, str(self._scene.pool)
            jackpots = {"jackpotAmount": (JACKPOT, 500, "0", "500.001"), "jackpotId": (*pools, 10**14)}
            for name in random.choice((("jackpotAmount",), ("jackpotId",), tuple(jackpots))):
                fields[name] = random.choice(jackpots[name])
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
        return Case(replace(request, headers=headers), NOT_AUTHORISED)

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
        return _in_session(whose) or self._meant(operation, fields)

    def _meant(self, operation: str, fields: dict[str, Any]) -> Told | None:
        """Return the answer to a valid body in the session in which money moves, or None if it would move money."""
        bet, same_round = fields["betId"], fields.get("gameRoundId") == ROUND
        if refusal := self._unpayable(fields) or _too_fine(fields.get("betAmount")):
            return refusal
        if bet not in (OPEN, SETTLED, GRAND, POOLED):
            return None
        if operation == "pay-in":
            return DONE if same_round and Decimal(fields["betAmount"]) == Decimal(STAKE) else DIFFERENT
        if operation == "pay-in-out":
            return DIFFERENT
        if operation == "refund":
            return None if bet == OPEN else ALREADY_SETTLED
        if not same_round:
            return DIFFERENT
        if bet == OPEN:
            return None
        # The scene's pool was won when it had its seed alone.
        won = {SETTLED: (None, None), GRAND: (Decimal(JACKPOT), None), POOLED: (None, self._scene.pool)}[bet]
        if (Decimal(fields["winAmount"]), _jackpot(fields)) != (Decimal(WIN), won):
            return DIFFERENT
        return {SETTLED: DONE, GRAND: (200, 1, Decimal(JACKPOT)), POOLED: (200, 1, Decimal(SEED))}[bet]

    def _unpayable(self, fields: dict[str, Any]) -> Told | None:
        """Return the refusal of winnings that the session's currency or game does not have."""
        amount, pool = fields.get("jackpotAmount"), fields.get("jackpotId")
        if refusal := _too_fine(fields.get("winAmount")) or _too_fine(amount):
            return refusal
        if amount is not None and pool is not None:
            return MALFORMED
        return None if pool is None or int(pool) == self._scene.pool else NO_SUCH_POOL

    def _signed(self, call: _Call) -> Request:
        partner = self._scene.partner
        signature = xsign.headers(partner.secret, partner.counterparty_id, call.body).items()
        types = tuple(("Content-Type", one) for one in call.types)
        return Request(call.method, call.target, (*types, *call.more, *signature), call.body, call.chunk)


# kind -> how often
_KINDS = {"body": 60, "wrapping": 12, "balance": 2, "forged": 12, "replayed": 6, "limit": 0.3, "early": 0.7, "cut": 1}


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
    required = FIELDS[operation].keys()
    optional = _WITH_WINNINGS if "winAmount" in required else set()
    if any(found.get(name) is not None for name in _OF_ONE_OPERATION - required - optional):
        return None
    read = {name: _value(name, found.get(name)) for name in [*required, *(optional & found.keys())]}
    return None if None in read.values() else read


def _value(name: str, value: object) -> str | None:
    """Return a field as text, None if it has not the form of its name."""
    if name == "jackpotId":
        text = value.text if isinstance(value, Number) else value
        return text if isinstance(text, str) and _POOL.fullmatch(text) else None
    if name.endswith("Amount") or name == "winOdd":
        return is_amount(value)
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _too_fine(amount: str | None) -> Told | None:
    """Return the refusal of an amount with more decimals than euros have."""
    return MALFORMED if amount is not None and len(amount.partition(".")[2]) > 2 else None


def _jackpot(fields: dict[str, Any]) -> tuple[Decimal | None, int | None]:
    """Return the amount or the pool that a call asks to pay beside the winnings; an amount of 0 is none."""
    amount, pool = fields.get("jackpotAmount"), fields.get("jackpotId")
    return (Decimal(amount) or None) if amount else None, int(pool) if pool else None


def is_amount(value: object) -> str | None:
    text = value.text if isinstance(value, Number) else value
    return text if isinstance(text, str) and _AMOUNT.fullmatch(text) else None
