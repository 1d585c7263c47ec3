"""The provider's own API (surface A): its games and the launching of one. The game's page is in ``table``.

A counterparty's secret comes in through ``POST /_counterparty``, the sandbox's control call: the sandbox listens on the
loopback address alone.
"""

import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from json import JSONDecodeError
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web

from betcore.provider import xsign
from devkit.sandbox.provider import games, launches
from devkit.sandbox.provider.draw import Account
from devkit.sandbox.provider.draws import Draws
from devkit.sandbox.provider.table import Table

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FRESH_MS = 60_000
_LARGEST_LIST = 64 * 1024 * 1024


@dataclass(slots=True)
class Counterparties:
    """The counterparties that may call, their secrets, and the request ids seen inside the window."""

    secrets: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def admits(self, request: web.Request, body: bytes) -> bool:
        """Return whether the signature is right, fresh, and not used before."""
        head = request.headers
        caller, stamp = head.get(xsign.COUNTERPARTY_ID, ""), head.get(xsign.TIMESTAMP, "")
        request_id, given = head.get(xsign.REQUEST_ID, ""), head.get(xsign.SIGNATURE, "")
        secret = self.secrets.get(caller)
        if secret is None or not (stamp.isascii() and stamp.isdigit()):
            return False
        if not xsign.verify(given, [secret], caller, stamp, request_id, body):
            return False
        now = time.time_ns() // 1_000_000
        return abs(now - int(stamp)) <= FRESH_MS and self._is_new(request_id, now)

    def _is_new(self, request_id: str, now: int) -> bool:
        self.seen = {one: at for one, at in self.seen.items() if now - at <= 2 * FRESH_MS}
        new = request_id not in self.seen
        self.seen[request_id] = now
        return new


@dataclass(frozen=True, slots=True)
class ListOfGames:
    """The list as a counterparty gets it: a body of any kind, so that a sync can be tried with a broken one."""

    body: bytes
    status: int = 200

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


COUNTERPARTIES = web.AppKey("counterparties", Counterparties)
# By counterparty, for those that get another list than the one of ``games``.
LISTS = web.AppKey("lists", dict[str, ListOfGames])
TABLE = web.AppKey("table", Table)
DRAWS = web.AppKey("draws", Draws)


def create_app(
    aggregator_url: str = "http://127.0.0.1:8080", draw_book: Path | None = None, draw_length: timedelta = timedelta()
) -> web.Application:
    """Return the provider's web application. Its game's page plays at the aggregator of this address.

    Its draw game has rounds of ``draw_length``; 0 plays none. Without a ``draw_book`` a restart forgets its round.
    """
    app = web.Application(middlewares=[_signed], client_max_size=_LARGEST_LIST)
    app[COUNTERPARTIES], app[LISTS], app[launches.LAUNCHES] = Counterparties(), {}, launches.Launches()
    app.router.add_get("/health", _health)
    app.router.add_post("/_counterparty", _add_counterparty)
    app.router.add_post("/_games", _set_games)
    app.router.add_get("/_launches", launches.show)
    app.router.add_post("/_launches", launches.set_fault)
    app.router.add_post("/_draw", _set_draw)
    app.router.add_get("/v1/games", _games)
    app.router.add_post("/v1/games/{game_id}/launch", _launch)
    app[TABLE] = table = Table(aggregator_url)
    app.add_routes(table.routes())

    app[DRAWS] = draws = Draws(aggregator_url, draw_book, draw_length)

    async def begin(_: web.Application) -> None:
        draws.go_on()

    async def close(_: web.Application) -> None:
        await table.close()
        await draws.close()

    app.on_startup.append(begin)
    app.on_cleanup.append(close)
    return app


@web.middleware
async def _signed(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith("/v1/") and not request.app[COUNTERPARTIES].admits(request, await request.read()):
        return web.json_response({"message": "not authorised"}, status=401)
    return await handler(request)


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _add_counterparty(request: web.Request) -> web.Response:
    fields = await _object(request)
    caller, secret = fields.get("counterparty_id"), fields.get("secret")
    if not (isinstance(caller, str) and isinstance(secret, str) and caller and secret):
        return web.json_response({"message": "counterparty_id and secret are texts"}, status=400)
    request.app[COUNTERPARTIES].secrets[caller] = secret
    return web.json_response({})


async def _set_draw(request: web.Request) -> web.Response:
    """Play the draw game of a counterparty from now on, as the live game of this number."""
    fields = await _object(request)
    caller, game_type = fields.get("counterparty_id"), fields.get("game_type")
    secret = request.app[COUNTERPARTIES].secrets.get(caller) if isinstance(caller, str) else None
    if not (isinstance(caller, str) and secret and isinstance(game_type, int)):
        return web.json_response({"message": "counterparty_id is that of a known one, game_type a number"}, status=400)
    await request.app[DRAWS].begin(Account(caller, secret, game_type))
    return web.json_response({})


async def _set_games(request: web.Request) -> web.Response:
    """Give a counterparty this body as its list from now on; without a body it has the list of the start again."""
    caller, body = request.query.get("counterparty_id", ""), await request.read()
    request.app[LISTS].pop(caller, None)
    if body:
        request.app[LISTS][caller] = ListOfGames(body, int(request.query.get("status", "200")))
    return web.json_response({})


def _list_of(request: web.Request) -> ListOfGames:
    first = ListOfGames(games.listed(str(request.url.origin())))
    return request.app[LISTS].get(request.headers[xsign.COUNTERPARTY_ID], first)


async def _games(request: web.Request) -> web.Response:
    found = _list_of(request)
    headers = {"ETag": found.etag}
    if request.headers.get("If-None-Match") == found.etag and found.status == HTTPStatus.OK:
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    response = web.Response(body=found.body, status=found.status, content_type="application/json", headers=headers)
    response.enable_compression()
    return response


async def _launch(request: web.Request) -> web.StreamResponse:
    fields = await launches.received(request, _list_of(request).body)
    if isinstance(fields, web.Response):
        return fields
    caller = request.headers[xsign.COUNTERPARTY_ID]
    request.app[TABLE].seat(fields, caller, request.app[COUNTERPARTIES].secrets[caller])
    query = urlencode({"session": fields["sessionId"], "mode": fields["gameMode"], "language": fields["language"]})
    return web.json_response({"frameUri": f"{request.url.origin()}/frame/{request.match_info['game_id']}?{query}"})


async def _object(request: web.Request) -> dict[str, object]:
    try:
        fields = json.loads(await request.read())
    except (JSONDecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
