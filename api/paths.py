"""Spellings of a path: middleware that gives one path one spelling before the API routes and checks the request."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_ABSOLUTE = re.compile(r"https?://[^/]*(/.*)?", re.IGNORECASE | re.DOTALL)
_ABSOLUTE_RAW = re.compile(rb"https?://[^/]*(/.*)?", re.IGNORECASE | re.DOTALL)


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


class AbsoluteTargets:
    """ASGI middleware: ``GET http://host/path HTTP/1.1``, as a proxy gets it, is the same request as ``GET /path``.

    It stands in front of the check of signatures. Without it a path in this spelling would go around that check.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its path alone."""
        if scope["type"] == "http" and (target := _ABSOLUTE.fullmatch(scope["path"])):
            raw = _ABSOLUTE_RAW.fullmatch(scope.get("raw_path") or b"")
            scope = {**scope, "path": target[1] or "/", "raw_path": (raw and raw[1]) or b"/"}
        await self._app(scope, receive, send)
