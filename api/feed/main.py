"""The feed process: its composition root.

It reads PostgreSQL alone, and knows nothing of Temporal: a burst of websockets takes no time from a bet, and a lost
feed no money. Any number of them run behind any balancer: none remembers anything that another one would need.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api import health
from api.caller_limits import CallerLimits
from api.casino.callers import CasinoCallers
from api.casino.responses import refusal
from api.edge import inner
from api.edge.calls import WholeCalls
from api.edge.guard import guarding
from api.edge.sizes import BodySizes
from api.feed import hub, live_page, routes
from api.feed.connection import Shared
from api.feed.cross_origin import CrossOrigin
from api.feed.games import LiveGamesView
from api.feed.live_state import LiveState
from api.feed.openapi import DOCUMENT
from api.feed.places import Places, Sequences
from api.feed.readers import Readers
from api.feed.translations import Translations
from api.framework import bare_application
from api.paths import EscapedLineEnds
from api.request_metrics import RequestMetrics
from betcore.casino.tokens import Tokens
from betcore.db.database import Database, DatabaseError, open_database
from betcore.db.jackpot_pools import JackpotPools
from betcore.db.live_rounds import LiveRounds
from betcore.db.partners import Partners
from betcore.db.signing_keys import SigningKeys
from betcore.domain import currencies
from betcore.domain.errors import BetcoreError
from betcore.runtime.logging import configure_logging
from betcore.runtime.settings import FeedSettings, Settings
from betcore.runtime.vault import Vault


def create_app() -> FastAPI:
    """Return the application of this process, composed from the settings when it starts."""
    settings = FeedSettings()
    configure_logging(settings)
    currencies.configure(settings.crypto_currencies)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(open_database(settings))
            state = compose(app, settings, database)
            operators = inner.inner_app(app, health.router(database), DOCUMENT.title if settings.api_docs else None)
            app.state.inner_port = await stack.enter_async_context(
                inner.serving(operators, settings.inner_host, settings.feed_inner_port)
            )
            with suppress(DatabaseError):
                await state.read()
            watching = asyncio.create_task(state.watch())
            stack.callback(watching.cancel)
            yield await stack.enter_async_context(guarding(settings))

    app = bare_application(lifespan)
    DOCUMENT.describe(app)
    live_page.serve(app)
    most = settings.http_calls_in_flight
    app.add_middleware(WholeCalls, most_bytes=BodySizes().of, most_in_flight=most, refuse=_refuse)
    app.add_middleware(CrossOrigin, secret_path=routes.TOKEN)
    app.add_middleware(EscapedLineEnds)
    app.add_middleware(RequestMetrics, surface_of=_surface)
    for kind in (BetcoreError, HTTPException, Exception):
        app.add_exception_handler(kind, _refuse)
    return app


def compose(app: FastAPI, settings: Settings, database: Database) -> LiveState:
    """Give the application its routes, and the routes their collaborators; return what has to be kept up to date."""
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
    rounds = LiveRounds(database)
    state = LiveState(rounds)
    games = LiveGamesView(state, rounds, Translations())
    places = Places(settings.feed_connections, settings.feed_connections_per_casino)
    app.state.partners = partners
    app.include_router(routes.router(tokens, callers, readers, JackpotPools(database), games))
    app.include_router(hub.router(Shared(state, readers, places, Sequences())))
    app.include_router(health.live_router())
    return state


def _surface(path: str) -> str | None:
    """Return the feed's surface for its API; None for the process's own pages."""
    return "feed" if path.startswith((f"{routes.PREFIX}/", *hub.PATHS)) else None


async def _refuse(_: Request, error: Exception) -> Response:
    return refusal(error)
