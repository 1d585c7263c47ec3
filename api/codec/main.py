"""The codec server's process: its composition root.

It decrypts payloads for the Temporal UI, and has the payload key alone: it reaches neither the database nor Temporal.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from api import health
from api.caller_limits import CallerLimits
from api.codec import routes, sign_in
from api.codec.access_tokens import AccessTokens, Issuer
from api.codec.callers import CodecCallers
from api.codec.responses import refusal
from api.edge import inner
from api.edge.calls import WholeCalls
from api.edge.guard import guarding
from api.framework import bare_application
from api.paths import EscapedLineEnds
from api.request_metrics import RequestMetrics
from betcore.casino.http_session import http_session
from betcore.domain.errors import BetcoreError, Misconfigured
from betcore.runtime.logging import configure_logging
from betcore.runtime.operator_tokens import OperatorTokens
from betcore.runtime.settings import Settings
from betcore.temporal.payload_reading import PayloadReader

_log = structlog.get_logger()
# The second one is of UIs that pass on what their identity provider says of the operator.
_HEADERS = ["authorization", "authorization-extras", "content-type", "x-namespace"]
# Operators are few, and a call of theirs may hold some megabytes.
_MOST_IN_FLIGHT = 64


def create_app() -> FastAPI:
    """Return the application of this process, composed from the settings. Raises Misconfigured (``invalid_settings``)
    without a payload key or origins."""
    settings = Settings()
    configure_logging(settings)
    if settings.temporal_payload_key is None or not settings.codec_origins:
        message = "the codec server needs BETCORE_TEMPORAL_PAYLOAD_KEY and BETCORE_CODEC_ORIGINS"
        raise Misconfigured(message, code="invalid_settings")
    reader = PayloadReader(settings.temporal_payload_key.get_secret_value())
    tokens = OperatorTokens(settings.codec_tokens.get_secret_value() if settings.codec_tokens else "")
    issuer = _issuer(settings)
    if not tokens and issuer is None:
        _log.warning("neither BETCORE_CODEC_TOKENS nor BETCORE_CODEC_JWKS_URL is set: every call is refused")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(http_session())
            access = AccessTokens(http, issuer, settings.temporal_namespace) if issuer else None
            app.state.callers = CodecCallers(
                tokens, access, settings.codec_origins, settings.temporal_namespace, limits
            )
            app.state.inner_port = await stack.enter_async_context(
                inner.serving(
                    inner.inner_app(app, health.router(), None), settings.inner_host, settings.codec_inner_port
                )
            )
            yield await stack.enter_async_context(guarding(settings))

    limits = CallerLimits(settings.stranger_calls_per_second, settings.codec_calls_per_second, None)
    app = bare_application(lifespan)
    app.include_router(routes.router(reader))
    app.include_router(sign_in.router(tokens, limits, secure=_is_https(settings)))
    app.include_router(health.live_router())
    app.add_middleware(WholeCalls, most_bytes=routes.most_bytes, most_in_flight=_MOST_IN_FLIGHT, refuse=_refuse)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.codec_origins,
        allow_methods=["POST"],
        allow_headers=_HEADERS,
        allow_credentials=True,
    )
    app.add_middleware(EscapedLineEnds)
    app.add_middleware(RequestMetrics, surface_of=_surface)
    for kind in (BetcoreError, HTTPException, Exception):
        app.add_exception_handler(kind, _refuse)
    return app


def _surface(path: str) -> str | None:
    return "codec" if path.endswith((routes.PATH, sign_in.PATH)) else None


def _issuer(settings: Settings) -> Issuer | None:
    """Return the issuer of access tokens; None if there is none. Raises Misconfigured (``invalid_settings``)."""
    url, issuer, audience = settings.codec_jwks_url, settings.codec_jwt_issuer, settings.codec_jwt_audience
    if url is None:
        return None
    if not issuer or not audience:
        message = "BETCORE_CODEC_JWKS_URL needs BETCORE_CODEC_JWT_ISSUER and BETCORE_CODEC_JWT_AUDIENCE"
        raise Misconfigured(message, code="invalid_settings")
    return Issuer(url, issuer, audience, settings.codec_jwt_permissions)


def _is_https(settings: Settings) -> bool:
    return all(origin.startswith("https:") for origin in settings.codec_origins)


async def _refuse(_: Request, error: Exception) -> Response:
    return refusal(error)
