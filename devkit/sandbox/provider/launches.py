"""The launching of a game (surface A), as a provider that checks what it is sent; and its control calls.

``POST /_launches`` sets what goes wrong for one counterparty, ``GET /_launches`` lists what it has sent. Both are for
tests and for a look: the sandbox listens on the loopback address alone.
"""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus

from aiohttp import web

from betcore.provider import xsign
from devkit.sandbox.provider import rounds

_TEXTS = ("userId", "sessionId", "currency", "language")
_NUMBERS = ("minBet", "maxBet")
_KEPT = 1000


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next ``times`` launches: another status or body, a delay, or no answer at all."""

    times: int
    status: int = HTTPStatus.OK
    body: str | None = None
    delay_ms: int = 0
    drop: bool = False


@dataclass(slots=True)
class Launches:
    """Launches as they were sent, and faults, by counterparty."""

    sent: dict[str, list[dict[str, str]]] = field(default_factory=lambda: defaultdict(list))
    faults: dict[str, Fault] = field(default_factory=dict)

    def fault(self, caller: str) -> Fault | None:
        """Return the fault that this launch meets, counted."""
        found = self.faults.get(caller)
        if found is None or found.times == 0:
            return None
        found.times -= 1
        return found


LAUNCHES = web.AppKey("launches", Launches)


async def show(request: web.Request) -> web.Response:
    """Return the launches of a counterparty, oldest first: game, body as it was sent."""
    return web.json_response(request.app[LAUNCHES].sent[request.query.get("counterparty_id", "")])


async def set_fault(request: web.Request) -> web.Response:
    """Let the next launches of a counterparty fail; without ``times`` none does."""
    given = await request.json()
    caller = given.pop("counterparty_id")
    request.app[LAUNCHES].faults[caller] = Fault(**{"times": 0, **given})
    return web.json_response({})


async def received(request: web.Request, games: bytes) -> dict[str, object] | web.Response:
    """Return the fields of a launch, or the response that refuses it; ``games`` is the list that the caller gets."""
    launches, caller = request.app[LAUNCHES], request.headers[xsign.COUNTERPARTY_ID]
    raw, game_id = await request.read(), request.match_info["game_id"]
    sent = launches.sent[caller]
    sent.append({"game": game_id, "path": request.raw_path, "body": raw.decode("utf-8", "replace")})
    del sent[:-_KEPT]
    fault = launches.fault(caller)
    if fault is not None:
        return await _fail(request, fault)
    if game_id not in _listed(games):
        return web.json_response({"message": "no such game"}, status=HTTPStatus.NOT_FOUND)
    fields = _object(raw)
    wrong = [name for name in _TEXTS if not isinstance(fields.get(name), str) or not fields[name]]
    wrong += [name for name in _NUMBERS if not isinstance(fields.get(name), Decimal)]
    wrong += [] if fields.get("gameMode") in ("real", "demo") else ["gameMode"]
    if wrong:
        return web.json_response({"message": f"missing or wrong: {', '.join(wrong)}"}, status=HTTPStatus.BAD_REQUEST)
    return fields


async def _fail(request: web.Request, fault: Fault) -> web.Response:
    await asyncio.sleep(fault.delay_ms / 1000)
    if fault.drop and request.transport is not None:
        request.transport.abort()
    return web.Response(text=fault.body or "", status=fault.status, content_type="application/json")


def _listed(games: bytes) -> set[str]:
    """Return the ids of a list; the game of the sandbox runs whatever the list is."""
    try:
        found = json.loads(games)
    except ValueError:
        found = []
    listed = found if isinstance(found, list) else []
    return {rounds.GAME_ID} | {str(game["gameId"]) for game in listed if isinstance(game, dict) and "gameId" in game}


def _object(raw: bytes) -> dict[str, object]:
    try:
        fields = json.loads(raw, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
