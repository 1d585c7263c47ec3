"""How uvicorn speaks websockets for the feed: ``--ws api.feed.websockets:BoundedWebSockets``."""

import logging

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

# Bytes of a message: a client's calls are short.
MAX_MESSAGE = 16 * 1024
_MOST_FRAGMENTS = 64
# Bytes that a client may leave unread while it asks for more.
_MOST_UNREAD = 64 * 1024
# Seconds in which a client takes what is left when its connection ends.
_TAKES_LAST_WITHIN = 5.0
_log = logging.getLogger("api.feed.websockets")
_log.setLevel(logging.WARNING)


class BoundedWebSockets(WebSocketsSansIOProtocol):
    """Websockets by ``websockets``, with rules that uvicorn lacks.

    A line of the log never holds an address: browsers send their access token in it. A message is short, and has few
    fragments. Pings are
    answered only as long as the answers are read: otherwise they would fill the memory. And a client that reads nothing
    loses its connection when that ends: a polite close would wait for it.
    """

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self.logger = self.conn.logger = _log
        self.conn.max_message_size = MAX_MESSAGE

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment of a message; empty ones have no size that would be bounded."""
        if len(self.frames) < _MOST_FRAGMENTS:
            super().handle_cont(event)
        else:
            self.transport.abort()

    def handle_ping(self) -> None:
        """Answer a ping."""
        if self.transport.get_write_buffer_size() > _MOST_UNREAD:
            self.transport.abort()
        else:
            super().handle_ping()

    def keepalive_timeout(self) -> None:
        """End the connection of a client that has answered no ping."""
        super().keepalive_timeout()
        self.transport.abort()

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the application sends; a connection that it has refused is not one that it forgot."""
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        """Serve the connection to its end."""
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(_TAKES_LAST_WITHIN, self.transport.abort)
