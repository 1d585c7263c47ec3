"""The hubs of the feed: SignalR without Microsoft's server. ``docs/feed.md`` says what a client may rely on."""

import asyncio
import secrets

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from api.casino.responses import refusal, repeat_later, with_refusals
from api.feed.connection import Connection, Shared
from api.feed.readers import Reader, websocket_token

PATHS = ("/signalrhub-livefeed-service/hubs", "/signalrhub-integration-service/hubs")
_KNOWN_WITHIN = 5.0
_TRANSPORTS = [{"transport": "WebSockets", "transferFormats": ["Text"]}]


def router(shared: Shared) -> APIRouter:
    """Return the routes of both hubs; they are the same hub."""
    routes = APIRouter()

    async def negotiate(request: Request) -> Response:
        await shared.readers.of(request)
        # It means nothing: the websocket may be opened at another process, or without having asked.
        number = secrets.token_urlsafe(16)
        names = {"connectionId": number, "connectionToken": number}
        found = {"negotiateVersion": 1, **names, "availableTransports": _TRANSPORTS}
        return JSONResponse(found, headers={"Cache-Control": "no-store"})

    async def connect(socket: WebSocket) -> None:
        reader = await _reader(shared, socket)
        if isinstance(reader, Response):
            await socket.send_denial_response(reader)
        else:
            with shared.places.taken(reader.casino.casino_id) as phase:
                await socket.accept()
                await Connection(socket, reader, phase, shared).serve()

    for path in PATHS:
        routes.post(f"{path}/negotiate", include_in_schema=False)(with_refusals(negotiate))
        routes.add_websocket_route(path, connect)
    return routes


async def _reader(shared: Shared, socket: WebSocket) -> Reader | Response:
    """Return who connects, or why it may not. A websocket is refused before it is accepted."""
    try:
        async with asyncio.timeout(_KNOWN_WITHIN):
            reader = await shared.readers.of(socket, websocket_token)
    except Exception as error:
        return refusal(error)
    return reader if shared.places.is_free(reader.casino.casino_id) else repeat_later()
