"""Requests by surface and partner: how many, how they are answered, and how long that takes (RED)."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = Counter(
    "betcore_requests",
    "Requests by surface, partner, operation and the code of the answer",
    ["surface", "partner", "operation", "code"],
)
SECONDS = Histogram(
    "betcore_request_seconds",
    "Time from a request's head to the end of its answer",
    ["surface", "partner"],
    buckets=(0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2, 4, 8),
)


@dataclass(slots=True)
class Request:
    """What is known of a request when it is answered."""

    partner: str = ""
    code: str = ""


_current: ContextVar[Request | None] = ContextVar("request", default=None)


def current() -> Request:
    """Return what is known of the current request so far."""
    return _current.get() or Request()


def called_by(partner: str) -> None:
    """Note which partner makes the current request: its name, once it has shown that it is the partner."""
    if request := _current.get():
        request.partner = partner


def answered_with(code: object) -> None:
    """Note the code in the answer to the current request; without one, the HTTP status is the code."""
    if request := _current.get():
        request.code = str(code)


class RequestMetrics:
    """ASGI middleware: counts requests. ``surface_of`` names the surface of a path; None is not counted."""

    def __init__(self, app: ASGIApp, surface_of: Callable[[str], str | None]) -> None:
        self._app = app
        self._surface_of = surface_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count it when it is answered. One that its caller gives up has the code "none"."""
        surface = self._surface_of(scope["path"]) if scope["type"] == "http" else None
        if surface is None:
            await self._app(scope, receive, send)
            return
        request, began, status = Request(), time.monotonic(), "none"
        token = _current.set(request)

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            _current.reset(token)
            SECONDS.labels(surface, request.partner).observe(time.monotonic() - began)
            REQUESTS.labels(surface, request.partner, operation(scope), request.code or status).inc()


def operation(scope: Scope) -> str:
    """Return the name of the request's route, else its path with the names of its parameters; "" without a route."""
    route = scope.get("route")
    return str(getattr(route, "operation_id", None) or getattr(route, "path", ""))
