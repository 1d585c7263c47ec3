"""The API process: composition root, and the shape of every refusal."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import structlog
from fastapi import FastAPI, Request
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from temporalio.client import Client

from api import health
from api.casino import jwks
from api.casino import routes as casino_routes
from api.casino.accepts import Confirmations
from api.provider import routes as provider_routes
from api.provider.operations import Bets
from api.provider.responses import refusal, render
from api.provider.signature import Caller, SignedRequests
from api.provider.workflow_client import BetMessages
from betcore.casino.client import CasinoClient
from betcore.casino.http_session import http_session
from betcore.casino.tokens import Tokens
from betcore.db.bets import Bets as BetRows
from betcore.db.engine import create_engine
from betcore.db.partners import Partners
from betcore.db.provider_requests import ProviderRequests
from betcore.db.signing_keys import SigningKeys
from betcore.domain import currencies
from betcore.domain.errors import BetcoreError, Code
from betcore.runtime import failpoints
from betcore.runtime.logging import configure_logging
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from betcore.temporal.client import connect

_log = structlog.get_logger()
_FORGET_EVERY = 30.0
_ABSOLUTE = re.compile(r"https?://[^/]*(/.*)?", re.IGNORECASE | re.DOTALL)
_ABSOLUTE_RAW = re.compile(rb"https?://[^/]*(/.*)?", re.IGNORECASE | re.DOTALL)
_REFUSALS = {404: Code.UNKNOWN_ROUTE, 405: Code.WRONG_METHOD}


def create_app() -> FastAPI:
    """Return the application of this process, composed from the settings when it starts."""
    settings = Settings()
    configure_logging(settings)
    currencies.configure(settings.crypto_currencies)
    failpoints.configure(settings.failpoints)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            engine = create_engine(settings)
            stack.push_async_callback(engine.dispose)
            client = await connect(settings)
            # One casino that is slow to tell balances must not use up the connections of all.
            http = await stack.enter_async_context(http_session())
            calls = compose(app, settings, engine, client, http)
            forgetting = asyncio.create_task(_forget(calls))
            stack.callback(forgetting.cancel)
            yield

    app = FastAPI(
        title="Aggregator API for providers",
        version="1",
        description="Providers send bets; every bet is carried to its end, whatever fails in between.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(LineEndsStayEscaped)
    app.add_middleware(SignedRequests, prefix=f"{settings.provider_api_prefix}/v1")
    app.add_middleware(AbsoluteTargets)
    app.add_exception_handler(BetcoreError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(Exception, _refuse)
    return app


def compose(
    app: FastAPI, settings: Settings, engine: AsyncEngine, client: Client, http: aiohttp.ClientSession
) -> ProviderRequests:
    """Give the application its routes and what they work with."""
    vault = Vault.of(settings)
    keys = SigningKeys(engine, vault, settings.partner_cache_seconds)
    partners = Partners(engine, vault, settings.partner_cache_seconds)
    calls = ProviderRequests(engine)
    casinos = CasinoClient(http, keys, settings.issuer)
    bets = Bets(calls, BetRows(engine), partners, casinos, BetMessages(client))
    app.state.bets, app.state.partners = bets, partners
    app.include_router(provider_routes.router(bets), prefix=settings.provider_api_prefix)
    app.include_router(jwks.router(keys))
    app.include_router(casino_routes.router(Tokens(keys, settings.issuer), partners, Confirmations(engine, client)))
    app.include_router(health.router(engine, client))
    return calls


class LineEndsStayEscaped:
    """A path with a line end in it is no path of ours. The router's patterns end in ``$``, which matches before the
    last line end too, so it is left as it came: ``%0A``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over the call."""
        if "\n" in scope.get("path", ""):
            scope = {**scope, "path": scope["path"].replace("\n", "%0A")}
        await self._app(scope, receive, send)


class AbsoluteTargets:
    """``GET http://host/path HTTP/1.1``, as a proxy is asked, is the same call as ``GET /path``. It comes before the
    signature is looked at, so that no spelling of a path goes around it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over the call under its path alone."""
        if scope["type"] == "http" and (target := _ABSOLUTE.fullmatch(scope["path"])):
            raw = _ABSOLUTE_RAW.fullmatch(scope.get("raw_path") or b"")
            scope = {**scope, "path": target[1] or "/", "raw_path": (raw and raw[1]) or b"/"}
        await self._app(scope, receive, send)


async def _refuse(request: Request, error: Exception) -> Response:
    """Every refusal in the envelope of its side.

    A request that was signed but is refused before the service has looked at it gives up its request id all the same:
    its signature covers neither path nor method, so it must not be usable elsewhere.
    """
    if casino_routes.is_called(request.url.path):
        return casino_routes.refusal(error)
    caller: Caller | None = getattr(request.state, "caller", None)
    try:
        if caller and not caller.claimed:
            bets: Bets = request.app.state.bets
            if not await bets.burn(caller.provider.provider_id, caller.request_id):
                return render(Code.NOT_AUTHORISED, "this X-Request-Id was used before")
    except (SQLAlchemyError, OSError, TimeoutError):
        _log.exception("a request id could not be recorded")
        return render(Code.OUTCOME_UNKNOWN)
    if isinstance(error, HTTPException):
        return render(_REFUSALS.get(error.status_code, Code.MALFORMED), headers=dict(error.headers or {}))
    return refusal(error)


async def _forget(calls: ProviderRequests) -> None:
    """Drop old request ids now and then; where that fails it is tried again."""
    while True:
        try:
            await calls.forget()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            _log.warning("old request ids were not dropped", error=type(error).__name__)
        await asyncio.sleep(_FORGET_EVERY)
