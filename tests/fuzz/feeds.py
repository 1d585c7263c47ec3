"""Hostile calls of the feed, each with the one answer that the protocol has for it. Its pages only read."""

import unicodedata
from collections.abc import Sequence
from random import Random
from urllib.parse import unquote_to_bytes

from tests.fuzz import odd
from tests.fuzz.cases import Case, Told
from tests.fuzz.logins import (
    MALFORMED,
    NO_METHOD,
    NO_PATH,
    NOT_AUTHORISED,
    LogIns,
    bearer,
    wrong_bearer,
)
from tests.fuzz.mutations import bent, members
from tests.fuzz.scene import FEED, Scene
from tests.fuzz.wire import Headers, Request

TOKEN, JACKPOTS = f"{FEED}/auth/token", f"{FEED}/jackpots/accumulated"
_LONGEST = 128
_NAMES = ["currency", "gameType", "curr%65ncy", "Currency", "currency%00", "game+type", "JackpotId", "", "%FF"]
_VALUES = [
    *("", "EUR", "JPY", "EUR%20", "+EUR", "eur", "%45UR", "slots", "table", "SLOTS", "%73lots", "null", "[]", "="),
    *(
        "EUR=JPY",
        "%00",
        "slots%00",
        "%0A",
        "%7F",
        "%E2%80%AE",
        "%E2%80%A8",
        "%EE%80%80",
        "%FF",
        "%ED%A0%80",
        "%",
        "%zz",
    ),
    *("%F0%9F%98%80", "a" * 128, "a" * 129, "%C3%A4" * 128, "%C3%A4" * 129, "a" * 5000, "'%20OR%201=1", "..%2F..", ";"),
]
_QUERIES = [f"{name}={value}" for name in ("currency", "gameType") for value in _VALUES]
_TAGS = [("If-None-Match", one) for one in ("*", '""', 'W/"x"', "x" * 3000, '"a", "b"', ",")]
_PATHS = [
    *("", "/", "/jackpots", "/jackpots/", "/jackpots/accumulated/", "/jackpots/Accumulated", "/jackpots//accumulated"),
    *("/jackpots/accumulated%00", "/jackpots/accumulated%0A", "/auth/token/", "/auth", "/auth/verify", "/games"),
    *("/jackpots/1", "/payments/accept", "/jackpots/../auth/token", "/" + "a/" * 300),
]


class Feeds:
    """Makes cases against one scene, each a function of seed and number alone."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._log_ins = LogIns(scene, TOKEN, grants="feed")

    def case(self, random: Random, number: int) -> Case:
        """Return the case of a number."""
        kind = random.choices(list(_KINDS), list(_KINDS.values()))[0]
        made: Case = getattr(self, f"_{kind}")(random)
        return made

    def sweep(self) -> list[Case]:
        """Return each parameter with each odd value, and the log-in with each of the sharp pieces."""
        return [*(self._judged(query) for query in _QUERIES), *self._log_ins.sweep(Random(0))]

    def _list(self, random: Random) -> Case:
        pairs = [f"{random.choice(_NAMES)}={random.choice(_VALUES)}" for _ in range(random.choice((0, 1, 1, 2, 3)))]
        if random.random() < 0.3:
            pairs.append(random.choice(_NAMES))
        query = random.choice(("&", "&", "&&", ";")).join(pairs)
        more = (random.choice(_TAGS),) if random.random() < 0.2 else ()
        body = bent(random, members({"currency": "EUR"})) if random.random() < 0.1 else b""
        return self._judged(query, more, body)

    def _judged(self, query: str, more: Headers = (), body: bytes = b"") -> Case:
        target = f"{JACKPOTS}?{query}" if query else JACKPOTS
        return Case(Request("GET", target, (*more, self._bearer()), body), self._told(query))

    def _told(self, query: str) -> Told:
        read = [_parameter(one) for one in query.split("&") if one]
        wanted = {}
        for name in ("currency", "gameType"):
            given = [value for named, value in read if named == name]
            if len(given) > 1 or not _is_text("".join(given)):
                return MALFORMED
            wanted[name] = "".join(given) or None
        return 200, 200, self._listed(wanted["currency"], wanted["gameType"])

    def _listed(self, currency: str | None, game_type: str | None) -> Sequence[tuple[str, str]]:
        return tuple(
            (str(pool.number), pool.amount)
            for pool in self._scene.shown
            if currency in (None, pool.currency) and game_type in (None, pool.game_type)
        )

    def _unlet(self, random: Random) -> Case:
        client = self._scene.accepting.partner_client_id
        token, of_the_casino = self._scene.feed_tokens[client], self._scene.tokens[client]
        headers = wrong_bearer(random, token, of_the_casino, self._scene.message)
        # The caller is authenticated first: nothing is read for one that is not.
        return Case(Request("GET", f"{JACKPOTS}?{random.choice(_QUERIES)}", headers, b""), NOT_AUTHORISED)

    def _token(self, random: Random) -> Case:
        return self._log_ins.case(random)

    def _wrapping(self, random: Random) -> Case:
        path = random.choice((TOKEN, JACKPOTS))
        match random.randrange(3):
            case 0:
                method = random.choice((*odd.METHODS, "GET" if path == TOKEN else "POST"))
                return Case(Request(method, path, (self._bearer(),), b"{}"), NO_METHOD)
            case 1:
                return Case(Request("GET", FEED + random.choice(_PATHS), (self._bearer(),), b""), NO_PATH)
            case _:
                more = tuple(one for one in random.sample(odd.HEADERS, 3) if one[0] != "Authorization")
                return self._judged("currency=EUR", more)

    def _bearer(self) -> tuple[str, str]:
        return bearer(self._scene.feed_tokens[self._scene.accepting.partner_client_id])


# kind -> how often
_KINDS = {"list": 50, "unlet": 20, "token": 22, "wrapping": 8}


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    read = [unquote_to_bytes(one.replace("+", " ")).decode("utf-8", "replace") for one in (name, value)]
    return read[0], read[1]


def _is_text(value: str) -> bool:
    return len(value) <= _LONGEST and all(one == " " or unicodedata.category(one)[0] not in "CZ" for one in value)
