"""Spellings of a path: middleware that gives one path one spelling before the API routes and checks the request."""

from starlette.types import ASGIApp, Receive, Scope, Send


class EscapedLineEnds:
    """ASGI middleware: a line end in a path stays ``%0A``.

    Without it the path ``.../refund%0A`` would be the route ``.../refund``: the router's patterns end in ``$``, which
    matches before a last line end too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if "\n" in scope.get("path", ""):
            scope = {**scope, "path": scope["path"].replace("\n", "%0A")}
        await self._app(scope, receive, send)
