"""The sandbox casino as an application: wallet, keys, surface C, Accepts and control endpoints together."""

from collections.abc import AsyncIterator

import asyncpg
from aiohttp import web

from devkit.sandbox.casino.aggregator import Aggregator
from devkit.sandbox.casino.casinos import Casinos
from devkit.sandbox.casino.control import Control
from devkit.sandbox.casino.database import create_schema
from devkit.sandbox.casino.games import GameCopies
from devkit.sandbox.casino.outbox import Outbox
from devkit.sandbox.casino.site import Site
from devkit.sandbox.casino.tokens import Keys, Loader, http_loader
from devkit.sandbox.casino.wallet import Wallet
from devkit.sandbox.casino.wallet_api import WalletApi


def create_app(
    pool: asyncpg.Pool, jwks: str | Loader, *, aggregator: str | None = None, feed: str | None = None
) -> web.Application:
    """Return a sandbox casino on this database.

    It trusts the keys of ``jwks``: an address, or a function that reads them. ``aggregator`` is the base address for
    casinos that confirm with Accept; ``POST /_credentials`` can name another. ``feed`` is the address of its feed. The
    schema is made when the application starts. The pool stays the caller's.
    """
    calls = Aggregator(aggregator, feed)
    casinos, wallet, outbox = Casinos(pool), Wallet(pool), Outbox(calls)
    keys = Keys(http_loader(jwks) if isinstance(jwks, str) else jwks)

    async def prepare(_app: web.Application) -> AsyncIterator[None]:
        await create_schema(pool)
        await casinos.load()
        async with outbox.working():
            yield

    app = web.Application()
    app.cleanup_ctx.append(prepare)
    app.add_routes(WalletApi(wallet, casinos, keys, outbox).routes())
    app.add_routes(Control(pool, wallet, casinos).routes())
    app.add_routes(GameCopies(calls, casinos).routes())
    app.add_routes(Site(wallet, casinos, calls, aggregator).routes())
    return app
