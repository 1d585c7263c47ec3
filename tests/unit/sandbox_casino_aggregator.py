"""An aggregator for the tests of Accept: surface D on a real socket, whose answers a test can choose."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.serving import serving
from tests.unit.sandbox_casino_support import Casino, new_bet

HANG_UP = (0, None)
Scripted = tuple[int, int | None]


@dataclass
class Aggregator:
    """Tokens for secrets, and the Accepts that came. ``script`` is what the next Accepts are answered, then 200.

    While ``open`` is clear, Accepts are answered by nothing yet.
    """

    url: str = ""
    secrets: dict[int, str] = field(default_factory=dict)
    script: deque[Scripted] = field(default_factory=deque)
    accepts: list[dict[str, Any]] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)
    bought: int = 0
    lasting: int = 600
    open: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def sell(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if self.secrets.get(asked["PartnerClientId"]) != asked["Secret"]:
            return web.json_response({"ErrorCode": 401, "Message": "Bad secret", "Value": None}, status=401)
        self.bought += 1
        token = f"token-{self.bought}"
        self.tokens[token] = asked["PartnerClientId"]
        value = {"AccessToken": token, "TokenType": "Bearer", "ExpiresIn": self.lasting, "Scope": "casino"}
        return web.json_response({"ErrorCode": 200, "Message": "Success", "Value": value})

    async def accept(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers["Authorization"].partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            return web.json_response({"ErrorCode": 401, "Message": "Bad token", "Value": None}, status=401)
        async with self.came:
            self.accepts.append(await request.json())
            self.came.notify_all()
        await self.open.wait()
        status, code = self.script.popleft() if self.script else (200, 200)
        if (status, code) == HANG_UP:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if code is None:
            return web.Response(text="<html>", status=status)
        return web.json_response({"ErrorCode": code, "Message": "", "Value": None}, status=status)

    async def until(self, count: int) -> list[dict[str, Any]]:
        """Wait for this many Accepts, and return them."""
        async with asyncio.timeout(20), self.came:
            await self.came.wait_for(lambda: len(self.accepts) >= count)
        assert len(self.accepts) == count
        return self.accepts


@asynccontextmanager
async def running_aggregator() -> AsyncIterator[Aggregator]:
    """Run an aggregator that answers."""
    aggregator = Aggregator()
    aggregator.open.set()
    app = web.Application()
    app.router.add_post("/mis-api/api/v2/auth/token", aggregator.sell)
    app.router.add_post("/mis-api/api/v2/payments/accept", aggregator.accept)
    async with serving(app) as aggregator.url:
        yield aggregator
        aggregator.open.set()


@dataclass
class Late:
    """A casino that confirms with Accept, and its aggregator."""

    casino: Casino
    aggregator: Aggregator
    path: str = "/payments/accept"

    @classmethod
    async def at(cls, casino: Casino, aggregator: Aggregator) -> "Late":
        await casino.open_player()
        await casino.control("POST", "/_settings", {"confirmation": "accept"})
        late = cls(casino, aggregator)
        await late.introduce()
        return late

    async def introduce(self, **changed: str | None) -> None:
        """Give the casino its secret, and the aggregator's address."""
        self.aggregator.secrets[self.casino.client_id] = "secret"
        given = {"secret": "secret", "aggregator_url": self.aggregator.url} | changed
        await self.casino.control("POST", "/_credentials", given)

    async def befall(self, kind: str, **more: object) -> None:
        """Set a fault for the Accepts."""
        await self.casino.faults({"kind": kind, "path": self.path, **more})

    async def stake(self, amount: str = "10.00") -> int:
        """Make a stake that is taken in, and return its bet."""
        bet = new_bet()
        answer = await self.casino.make(bet, -1, amount)
        assert (answer.status, answer.code) == (200, 200)
        return bet

    async def sendings(self, **query: object) -> Any:
        return await self.casino.control("GET", "/_accepts", None, **query)

    async def ended(self, bet: int, count: int = 1) -> list[dict[str, Any]]:
        """Wait until all sendings of the bet have ended, and return them."""
        async with asyncio.timeout(20):
            while True:
                found: list[dict[str, Any]] = await self.sendings(bet_id=bet)
                if len(found) == count and all(one["state"] != "waiting" for one in found):
                    return found
