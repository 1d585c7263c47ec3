"""A casino's users/auth and users/data on a real socket, which answer as a test says and count what they were asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web

Handler = Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class AskedCasino:
    """What the casino was asked, by call, and how it answers.

    A token ``name:currency:n`` is that of the player ``name``, and is taken once, for the token of ``n + 1``.
    """

    url: str = ""
    asked: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"auth": [], "data": []})
    answers: dict[str, list[Any]] = field(default_factory=lambda: {"auth": [], "data": []})
    taken: set[str] = field(default_factory=set)
    balance: str = "1000.00"

    async def answer(self, name: str, data: dict[str, Any]) -> Any:
        """Return the next answer that a test has laid down, or the right one."""
        if self.answers[name]:
            laid_down = self.answers[name].pop(0)
            if callable(laid_down):
                laid_down = await laid_down(data)
            if laid_down is not None:
                return laid_down
        return done({"Balance": self.balance}) if name == "data" else self.exchange(data["RefreshToken"])

    def exchange(self, token: str) -> dict[str, Any]:
        """Take a token for the next one."""
        name, currency, number = token.split(":")
        if token in self.taken:
            return {"ErrorCode": 103807, "Message": "token", "Value": None}
        self.taken.add(token)
        fresh = f"{name}:{currency}:{int(number) + 1}"
        return done({"RefreshToken": fresh, "PartnerUserId": name, "CurrencyCode": currency})


def done(value: Any) -> dict[str, Any]:
    return {"ErrorCode": 200, "Message": "Success", "Value": value}


async def late(_: object, seconds: float = 0.5) -> None:
    """Answer rightly, some time later."""
    await asyncio.sleep(seconds)


async def never(_: object) -> None:
    """Do not answer until the caller has given up."""
    await asyncio.sleep(60)


async def hang_up(_: object) -> Any:
    """End the connection without an answer."""
    return ConnectionResetError


@asynccontextmanager
async def asked_casino() -> AsyncIterator[AskedCasino]:
    """Serve such a casino."""
    casino = AskedCasino()

    async def serve(request: web.Request) -> web.StreamResponse:
        name = request.path.rsplit("/", 1)[1]
        claims = jwt.decode(json.loads(await request.read()), options={"verify_signature": False})
        data = json.loads(claims["data"])
        casino.asked[name].append(data)
        found = await casino.answer(name, data)
        if found is ConnectionResetError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(found, int):
            return web.Response(status=found)
        return web.Response(text=found if isinstance(found, str) else json.dumps(found))

    app = web.Application()
    app.router.add_post("/users/auth", serve)
    app.router.add_post("/users/data", serve)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    casino.url = f"http://127.0.0.1:{port}"
    try:
        yield casino
    finally:
        await runner.cleanup()
