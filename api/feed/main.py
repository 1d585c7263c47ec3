"""The feed process: its composition root.

It reads PostgreSQL alone, and knows nothing of Temporal: a burst of websockets takes no time from a bet, and a lost
feed no money. Any number of them run behind any balancer: none remembers anything that another one would need.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api import health
from api.caller_limits import CallerLimits
from api.casino.callers import CasinoCallers
from api.casino.responses import refusal
from api.documentation import page
from api.feed import routes
from api.feed.cross_origin import CrossOrigin
from api.feed.openapi import DOCUMENT
from api.feed.readers import Readers
from api.paths import AbsoluteTargets, EscapedLineEnds
from betcore.casino.tokens import Tokens
from betcore.db.database import Database, open_database
from betcore.db.jackpot_pools import JackpotPools
from betcore.db.partners import Partners
from betcore.db.signing_keys import SigningKeys
from betcore.domain import currencies
from betcore.domain.errors import BetcoreError
from betcore.runtime.logging import configure_logging
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault


def create_app() -> FastAPI:
    """Return the application of this process, composed from the settings when it starts."""
    settings = Settings()
    configure_logging(settings)
    currencies.configure(settings.crypto_currencies)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            compose(app, settings, await stack.enter_async_context(open_database(settings)))
            yield

    app = FastAPI(version="1", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False)
    DOCUMENT.describe(app)
    if settings.api_docs:
        page.serve(app, DOCUMENT.title)
    app.add_middleware(CrossOrigin, secret_path=routes.TOKEN)
    app.add_middleware(EscapedLineEnds)
    app.add_middleware(AbsoluteTargets)
    for kind in (BetcoreError, HTTPException, Exception):
        app.add_exception_handler(kind, _refuse)
    return app


def compose(app: FastAPI, settings: Settings, database: Database) -> None:
    """Give the application its routes, and the routes their collaborators."""
    vault, store = Vault.of(settings), settings.rate_limit_store
    limits = CallerLimits(
        settings.stranger_calls_per_second,
        settings.feed_calls_per_second,
        store.get_secret_value() if store else None,
    )
    tokens = Tokens(SigningKeys(database, vault, settings.partner_cache_seconds), settings.issuer)
    partners = Partners(database, vault, settings.partner_cache_seconds)
    callers = CasinoCallers(tokens, partners, limits)
    readers = Readers(callers, partners, limits)
    app.state.partners = partners
    app.include_router(routes.router(tokens, callers, readers, JackpotPools(database)))
    app.include_router(health.router(database))


async def _refuse(_: Request, error: Exception) -> Response:
    return refusal(error)
