"""The API process: its composition root, and how a refused request is answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TypeAlias

import aiohttp
import structlog
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from temporalio.client import Client

from api import health
from api.caller_limits import CallerLimits
from api.casino import jwks
from api.casino import responses as casino_responses
from api.casino import routes as casino_routes
from api.casino.accepts import AcceptReceiver
from api.casino.callers import CasinoCallers
from api.casino.games import GamesView
from api.casino.launch import CasinoLaunch
from api.edge import inner
from api.edge.calls import WholeCalls
from api.edge.guard import guarding
from api.edge.sizes import BodySizes
from api.framework import bare_application
from api.launcher import Launcher
from api.openapi import DOCUMENT
from api.paths import EscapedLineEnds
from api.player_auth import LOST_AFTER, PlayerAuth
from api.provider import routes as provider_routes
from api.provider.balances import Balances
from api.provider.live_rounds import RoundReports
from api.provider.operations import BetOperations
from api.provider.responses import USED_BEFORE, Reply, refusal, render
from api.provider.signature import Caller, SignatureMiddleware
from api.provider.stake_admission import StakeAdmission
from api.provider.winnings import Winnings
from api.provider.workflow_client import BetWorkflowClient
from api.request_metrics import RequestMetrics
from api.request_traces import RequestTraces
from api.token_launcher import TokenLauncher
from api.webframe import routes as webframe_routes
from api.webframe.api import FrameApi
from api.webframe.balances import FrameBalances
from api.webframe.files import FrameFiles
from api.webframe.texts import Texts
from betcore.casino.client import CasinoClient
from betcore.casino.http_session import http_session
from betcore.casino.tokens import Tokens
from betcore.db.bets import Bets
from betcore.db.database import Database, DatabaseError, open_database
from betcore.db.frame_sessions import FrameSessions, ShownBalances
from betcore.db.games import Games
from betcore.db.jackpot_pools import JackpotPools
from betcore.db.launches import Launches
from betcore.db.live_rounds import LiveRounds
from betcore.db.lobby import Lobby
from betcore.db.partners import Partners
from betcore.db.player_authentications import Flights
from betcore.db.provider_requests import ProviderRequests
from betcore.db.signing_keys import SigningKeys
from betcore.db.token_launches import TokenLaunches
from betcore.domain import currencies
from betcore.domain.errors import BetcoreError, Code
from betcore.provider.client import ProviderClient
from betcore.runtime import failpoints, spans
from betcore.runtime.logging import configure_logging
from betcore.runtime.settings import ApiSettings, Settings
from betcore.runtime.vault import Vault
from betcore.telemetry.temporal_traces import MessagesTraced
from betcore.telemetry.traces import open_traces
from betcore.temporal.client import connect
from betcore.temporal.schedules import request_sync

_log = structlog.get_logger()
# Deletes rows that are old.
Forget: TypeAlias = Callable[[], Awaitable[None]]
_FORGET_EVERY = 30.0
_REFUSALS = {404: Code.UNKNOWN_ROUTE, 405: Code.WRONG_METHOD}


def create_app() -> FastAPI:
    """Return the application of this process, composed from the settings when it starts."""
    settings = ApiSettings()
    configure_logging(settings)
    currencies.configure(settings.crypto_currencies)
    failpoints.configure(settings.failpoints)
    tracing = open_traces(settings, "api")
    spans.configure(tracing)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with AsyncExitStack() as stack:
            if tracing:
                stack.push_async_callback(asyncio.to_thread, tracing.close)
            database = await stack.enter_async_context(open_database(settings))
            client = await connect(settings, interceptors=[MessagesTraced(tracing)] if tracing else ())
            # A casino that is slow to answer must not use up the connections of all casinos.
            http = await stack.enter_async_context(http_session())
            what_is_old = compose(app, settings, database, client, http)
            operators = inner.inner_app(
                app, health.router(database, client), DOCUMENT.title if settings.api_docs else None
            )
            app.state.inner_port = await stack.enter_async_context(
                inner.serving(operators, settings.inner_host, settings.api_inner_port)
            )
            stack.push_async_callback(app.state.admission.close)
            forgetting = asyncio.create_task(_forget(what_is_old))
            stack.callback(forgetting.cancel)
            yield await stack.enter_async_context(guarding(settings))

    app = bare_application(lifespan)
    DOCUMENT.describe(app)
    app.add_middleware(EscapedLineEnds)
    app.add_middleware(SignatureMiddleware, prefix=f"{settings.provider_api_prefix}/v1")
    surface_of = partial(_surface, settings.provider_api_prefix)
    if tracing:
        app.add_middleware(RequestTraces, tracing=tracing, surface_of=surface_of)
    sizes, most = BodySizes(settings.provider_api_prefix), settings.http_calls_in_flight
    app.add_middleware(WholeCalls, most_bytes=sizes.of, most_in_flight=most, refuse=_refuse)
    app.add_middleware(RequestMetrics, surface_of=surface_of)
    app.add_exception_handler(BetcoreError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(Exception, _refuse)
    return app


def compose(
    app: FastAPI, settings: Settings, database: Database, client: Client, http: aiohttp.ClientSession
) -> Sequence[Forget]:
    """Give the application its routes, and the routes their collaborators; return what deletes old rows."""
    vault = Vault.of(settings)
    keys = SigningKeys(database, vault, settings.partner_cache_seconds)
    partners = Partners(database, vault, settings.partner_cache_seconds)
    requests = ProviderRequests(database)
    casinos = CasinoClient(http, keys, settings.issuer)
    balances = Balances(requests, partners, casinos)
    admission = StakeAdmission(requests, settings.stakes_in_flight)
    bets = Bets(database)
    winnings, workflows = Winnings(bets, JackpotPools(database)), BetWorkflowClient(client)
    operations = BetOperations(requests, bets, partners, balances, workflows, admission, winnings)
    store = settings.rate_limit_store
    limits = CallerLimits(
        settings.stranger_calls_per_second,
        settings.frame_calls_per_second,
        store.get_secret_value() if store else None,
    )
    texts, files = Texts(), FrameFiles()
    app.state.requests, app.state.partners, app.state.admission, app.state.limits, app.state.texts = (
        requests,
        partners,
        admission,
        limits,
        texts,
    )
    app.include_router(provider_routes.router(operations), prefix=settings.provider_api_prefix)
    reports = RoundReports(requests, LiveRounds(database), client)
    app.include_router(provider_routes.live_router(reports), prefix=settings.provider_api_prefix)
    app.include_router(jwks.router(keys))
    accepts = AcceptReceiver(database, client)
    tokens, games = Tokens(keys, settings.issuer), GamesView(Games(database))
    launcher = Launcher(Launches(database, vault), partners, ProviderClient(http), partial(request_sync, client))
    flights, frames = Flights(database, vault, LOST_AFTER), FrameSessions(database, vault)
    auth = PlayerAuth(flights, casinos)
    launches = CasinoLaunch(launcher, TokenLauncher(launcher, auth, flights, TokenLaunches(database, flights)))
    callers = CasinoCallers(tokens, partners, limits)
    app.include_router(casino_routes.router(tokens, callers, accepts, games, launches))
    frame = FrameApi(
        texts,
        partners,
        limits,
        frames,
        auth,
        launcher,
        Lobby(database, settings.partner_cache_seconds),
        FrameBalances(ShownBalances(database), requests, casinos),
    )
    app.include_router(webframe_routes.router(files, texts, partners, frame))
    app.include_router(health.live_router())
    return requests.forget, flights.forget, frames.forget


def _surface(provider_api_prefix: str, path: str) -> str | None:
    """Return whose API a path belongs to; None for the process's own pages."""
    if f"{path}/".startswith(f"{provider_api_prefix}/v1/"):
        return "provider"
    if path.startswith(f"{casino_routes.PREFIX}/"):
        return "casino"
    return "frame" if path.startswith(f"{webframe_routes.PREFIX}/") else None


async def _refuse(request: Request, error: Exception) -> Response:
    """Return the response to an error, in the form of the API that was called.

    The request id of a signed request is used up here if the request was refused before any operation. The signature
    covers neither path nor method: otherwise the same signed request could be sent to another path.
    """
    if casino_routes.owns(request.url.path):
        return casino_responses.refusal(error)
    if webframe_routes.owns(request.url.path):
        return webframe_routes.refuse(request, error, request.app.state.texts)
    caller: Caller | None = getattr(request.state, "caller", None)
    try:
        if caller and not caller.claimed:
            requests: ProviderRequests = request.app.state.requests
            if not await requests.claim(caller.provider.provider_id, caller.request_id):
                return render(Reply(Code.NOT_AUTHORISED, USED_BEFORE))
    except DatabaseError:
        _log.exception("a request id could not be recorded")
        return render(Reply(Code.OUTCOME_UNKNOWN))
    if isinstance(error, HTTPException):
        code = _REFUSALS.get(error.status_code, Code.MALFORMED)
        return render(Reply(code), dict(error.headers or {}))
    return refusal(error)


async def _forget(what_is_old: Sequence[Forget]) -> None:
    """Delete old rows every 30 seconds. A failure is logged and tried again."""
    while True:
        for forget in what_is_old:
            try:
                await forget()
            except DatabaseError as error:
                _log.warning("old rows were not deleted", error=str(error))
        await asyncio.sleep(_FORGET_EVERY)
