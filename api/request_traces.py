"""The span of a partner's call, in which all that it causes hangs."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.provider.signature import Caller
from api.request_metrics import current, operation

if TYPE_CHECKING:
    from betcore.telemetry.tracing import CallSpan, Tracing

_SERVER_ERROR = 500
# Those whose callers prove who they are. A frame names a casino without a secret, and could fill the collector.
_TRACED = ("provider", "casino")


class RequestTraces:
    """ASGI middleware inside of RequestMetrics, which knows the partner and the answer's code."""

    def __init__(self, app: ASGIApp, tracing: "Tracing", surface_of: Callable[[str], str | None]) -> None:
        self._app = app
        self._tracing = tracing
        self._surface_of = surface_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, in a span."""
        surface = self._surface_of(scope["path"]) if scope["type"] == "http" else None
        if surface not in _TRACED:
            await self._app(scope, receive, send)
            return
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._tracing.serving(surface) as span:
            try:
                await self._app(scope, receive, noting)
            finally:
                _end(span, surface, scope, status)


def _end(span: "CallSpan", surface: str, scope: Scope, status: int) -> None:
    """Say what a call was, and how it was answered. Its path is left out: it has the id of a player's session."""
    request, name = current(), operation(scope)
    code = request.code or str(status or "none")
    facts = {
        "betcore.surface": surface,
        "betcore.operation": name,
        "betcore.code": code,
        "http.request.method": scope["method"],
        "http.response.status_code": status,
    }
    caller: Caller | None = scope.get("state", {}).get("caller")
    if caller is not None:
        facts["betcore.request_id"] = caller.request_id
        for header, value in scope["headers"]:
            if header == b"traceparent":
                span.link(value.decode("latin-1"))
    span.end_as(f"{surface} {name}".rstrip(), request.partner, facts)
    if status == 0 or status >= _SERVER_ERROR:
        span.fail(f"code_{code}")
