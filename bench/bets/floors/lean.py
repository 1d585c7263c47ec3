"""The lean floor: bets by the barest code (``lean_bet``) in a process of its own, so that its CPU is seen.

There is no Temporal and no API, and none is needed to start it: ``POST /play`` begins to keep bets in flight, ``POST
/stop`` waits for the last one and returns them all.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict

import aiohttp
import asyncpg
from aiohttp import web
from pydantic import TypeAdapter

from bench import harness
from bench.bets.floors.lean_bet import LeanBets, LeanCasino
from bench.bets.partners import SeatedCasino
from bench.bets.processes import Watch
from bench.bets.stacks import RunningStack
from bench.bets.workload import BetKind, PlayedBet, keep_in_flight
from betcore.casino.http_session import http_session
from betcore.db.database import open_database
from betcore.db.signing_keys import SigningKeys
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault

_CASINO = "BENCH_CASINO"
_NAME = "bench-lean"
_PLAYED = TypeAdapter(list[PlayedBet])
_SEATS = """
SELECT provider_id, api_host, partner_client_id, array_agg(session_id) AS sessions
FROM session JOIN player USING (player_id) JOIN casino USING (casino_id)
WHERE casino.name = $1 GROUP BY 1, 2, 3
"""


class LeanFloor:
    """The lean floor as a target, driven over HTTP."""

    name = "lean"
    own = frozenset({"lean"})

    def __init__(self, http: aiohttp.ClientSession, address: str, pids: Mapping[str, int]) -> None:
        self.pids = pids
        self._http = http
        self._address = address

    async def play(self, kind: BetKind, in_flight: int, stop: asyncio.Event) -> list[PlayedBet]:
        """Keep this number of bets in flight until ``stop`` is set; return all, when the last one is over."""
        await self._post("/play", {"kind": kind, "in_flight": in_flight})
        await stop.wait()
        return _PLAYED.validate_json(await self._post("/stop", {}))

    async def _post(self, path: str, body: Mapping[str, object]) -> bytes:
        async with self._http.post(self._address + path, json=body, raise_for_status=True) as response:
            return await response.read()


@asynccontextmanager
async def lean_floor(
    stack: RunningStack, casino: SeatedCasino, http: aiohttp.ClientSession, watch: Watch
) -> AsyncIterator[LeanFloor]:
    """Run the lean floor on the database of a stack, for the players of one of its casinos."""
    environment = {**stack.environment, _CASINO: casino.name}
    async with harness.child("bench.bets.floors.lean", **environment) as running:
        watch.add_child("lean floor", running.process)
        pids = {"lean": running.process.pid, **stack.servers("postgres", "sandbox-casino")}
        yield LeanFloor(http, running.first_line, pids)


async def _as_it_is(connection: object) -> None:
    """Reset nothing when a connection is given back: no statement here changes its session."""


async def _open(settings: Settings, stack: AsyncExitStack) -> LeanBets:
    """Return the player of bets, with connections of its own."""
    assert settings.database_url is not None  # noqa: S101  for mypy: a stack is running
    async with open_database(settings) as database:
        key = await SigningKeys(database, Vault.of(settings), 60).current()
    pool = await asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=settings.database_pool_size,
        max_size=settings.database_pool_size,
        reset=_as_it_is,
        server_settings={"application_name": _NAME, "jit": "off", "timezone": "UTC"},
    )
    stack.push_async_callback(pool.close)
    seats = await pool.fetchrow(_SEATS, os.environ[_CASINO])
    casino = LeanCasino(
        seats["api_host"].rstrip("/"), seats["partner_client_id"], settings.issuer, key.kid, key.private_key
    )
    http = await stack.enter_async_context(http_session())
    return LeanBets(pool, http, casino, seats["provider_id"], list(seats["sessions"]))


async def _main() -> None:
    async with AsyncExitStack() as stack:
        bets = await _open(Settings(), stack)
        stop = asyncio.Event()
        playing: list[asyncio.Task[list[PlayedBet]]] = []

        async def play(request: web.Request) -> web.Response:
            asked = await request.json()
            stop.clear()
            kind = BetKind(asked["kind"])
            playing.append(asyncio.create_task(keep_in_flight(bets.bet, kind, asked["in_flight"], stop)))
            return web.json_response([])

        async def end(_: web.Request) -> web.Response:
            stop.set()
            return web.json_response([asdict(one) for one in await playing.pop()])

        await harness.serve(web.post("/play", play), web.post("/stop", end))


if __name__ == "__main__":
    asyncio.run(_main())
