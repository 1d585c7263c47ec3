"""What the application gets of a call: all of it, and not more calls at once than it can hold.

A handler reads ``await request.body()`` without a limit of its own: what reaches it is whole, and small enough.
"""

from collections.abc import Awaitable, Callable

from prometheus_client import Counter, Gauge
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from betcore.domain.errors import BetcoreError, OutcomeUnknown, TooLarge
from betcore.runtime.seldom_log import SeldomLog

IN_FLIGHT = Gauge("betcore_http_calls_in_flight", "Calls that are being answered.")
REFUSED = Counter("betcore_http_calls_refused", "Calls that the HTTP edge has refused, by reason.", ["reason"])
_LOG = SeldomLog()

# Answers an error in the form of the API that was called.
Refuse = Callable[[Request, Exception], Awaitable[Response]]
# Returns the most bytes that the body of a call may have. An error that it raises refuses the call, of which nothing
# but the head has been read.
BodyLimit = Callable[[Scope], Awaitable[int]]


class WholeCalls:
    """ASGI middleware: a call goes on when its body is there, and no larger than its route takes.

    Until then it is not counted as one in flight: a body that drips takes nothing from calls that are there.
    ``BoundedHttp`` ends those that take too long.
    """

    def __init__(self, app: ASGIApp, most_bytes: BodyLimit, most_in_flight: int, refuse: Refuse) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._most_in_flight = most_in_flight
        self._refuse = refuse
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a whole call on, answer any other with its refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(scope, receive, await self._most_bytes(scope))
        except BetcoreError as error:
            if isinstance(error, TooLarge):
                REFUSED.labels("too_large").inc()
            await self._answer(error, scope, receive, send)
            return
        if body is None:
            return
        if self._in_flight >= self._most_in_flight:
            REFUSED.labels("in_flight").inc()
            _LOG.warning("calls are refused: too many are in flight", calls=self._in_flight)
            await self._answer(OutcomeUnknown("too many calls at once: send it again"), scope, receive, send)
            return
        self._in_flight += 1
        IN_FLIGHT.inc()
        try:
            await self._app(scope, _Given(body, receive), send)
        finally:
            self._in_flight -= 1
            IN_FLIGHT.dec()

    async def _answer(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._refuse(Request(scope), error)
        await response(scope, receive, send)


class _Given:
    """Gives a body that has been read, and then what happens to the connection."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            return await self._receive()
        return {"type": "http.request", "body": body, "more_body": False}


async def _read(scope: Scope, receive: Receive, most: int) -> bytes | None:
    """Return the whole body, None if the caller has gone. Raises TooLarge as soon as that is known."""
    too_large = TooLarge(f"a body has {most} bytes at most")
    announced = dict(scope["headers"]).get(b"content-length", b"")
    if announced.isdigit() and int(announced) > most:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            raise too_large
        if not message.get("more_body", False):
            return bytes(body)
