"""What browsers ask before a page of a casino may read the feed: CORS, for the origins of casinos' profiles alone."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.feed.readers import foreign_origin
from betcore.db.database import DatabaseError
from betcore.db.partners import Partners

_METHODS = "GET, POST"
_HEADERS = "authorization, content-type, if-none-match, x-requested-with, x-signalr-user-agent"
_READABLE = "ETag, Retry-After"
# A browser asks again after ten minutes.
_KEPT = "600"


class CrossOrigin:
    """ASGI middleware: answers preflights, and lets pages of casinos read answers.

    The exact origin is answered, never ``*``: the SignalR client sends its calls with credentials. ``secret_path`` is
    left out: a secret has no place in a page.
    """

    def __init__(self, app: ASGIApp, secret_path: str) -> None:
        self._app = app
        self._secret_path = secret_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it is a preflight."""
        origin = foreign_origin(Headers(scope=scope)) if scope["type"] == "http" else None
        if origin is None or scope["path"] == self._secret_path:
            await self._app(scope, receive, send)
            return
        known = await _is_known(scope["app"].state.partners, origin)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope):
            await _preflight(origin, known=known)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if known:
                    headers.update(_allowed(origin) | {"Access-Control-Expose-Headers": _READABLE})
            await send(message)

        await self._app(scope, receive, with_headers)


async def _is_known(partners: Partners, origin: str) -> bool:
    try:
        return origin in await partners.origins()
    except DatabaseError:
        # The call itself will fail for the same reason.
        return False


def _preflight(origin: str, *, known: bool) -> Response:
    if not known:
        return Response(status_code=403, headers={"Vary": "Origin"})
    methods = {"Access-Control-Allow-Methods": _METHODS, "Access-Control-Allow-Headers": _HEADERS}
    headers = _allowed(origin) | methods | {"Access-Control-Max-Age": _KEPT, "Vary": "Origin"}
    return Response(status_code=204, headers=headers)


def _allowed(origin: str) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
