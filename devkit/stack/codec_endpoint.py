"""The codec server of a stack on one machine: its address has the token in it.

The UI of the development server can be given no more than an address. So whoever can open that UI can read its bets,
as without a payload key; a page of another origin cannot, and no other process that merely reaches the port.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.types import ASGIApp, Receive, Scope, Send

from api.codec import main
from betcore.runtime.operator_tokens import PREFIX, issue

_OPERATOR = "up"
# A stack that is kept up for longer takes another token when it is started again.
_HOLDS = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class CodecEndpoint:
    """The address at which the UI finds the codec server, and the settings of its process."""

    url: str
    env: Mapping[str, str]


def new_endpoint(server: str, ui_port: int) -> CodecEndpoint:
    """Return an endpoint with a token of its own, for the UI at a port of this machine."""
    token, entry = issue(_OPERATOR, (datetime.now(UTC) + _HOLDS).date())
    origins = f"http://127.0.0.1:{ui_port},http://localhost:{ui_port}"
    return CodecEndpoint(f"{server}/{token}", {"BETCORE_CODEC_TOKENS": str(entry), "BETCORE_CODEC_ORIGINS": origins})


class TokenInPath:
    """ASGI middleware: ``/<token>/decode`` is ``/decode`` with that token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            first, _, rest = scope["path"].lstrip("/").partition("/")
            if first.startswith(PREFIX):
                authorization = (b"authorization", f"Bearer {first}".encode())
                scope = {**scope, "path": f"/{rest}", "headers": [*scope["headers"], authorization]}
        await self._app(scope, receive, send)


def create_app() -> ASGIApp:
    """Return the codec server's application behind addresses with a token."""
    return TokenInPath(main.create_app())
