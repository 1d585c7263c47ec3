"""How uvicorn reads the API's requests: ``--http api.http_protocol:BoundedHttp``."""

from httptools import parse_url
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# As much as uvicorn's other parser, h11, keeps.
_MOST = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """HTTP/1.1 by httptools, with two rules that it lacks.

    A request line, a header or a trailer that does not end would fill the memory: beyond 64 KiB it is refused. And the
    refusal of a request is never sent while the answer to an earlier one is owed: its caller would take it for that.
    """

    # Bytes since the parser last understood something: a whole head, a part of a body, a whole request.
    _not_understood = 0
    # The last request whose head was read, and the one before it.
    _last: RequestResponseCycle | None = None
    _earlier: RequestResponseCycle | None = None

    def data_received(self, data: bytes) -> None:
        """Read on, or end the connection."""
        self._not_understood += len(data)
        super().data_received(data)
        if self._not_understood > _MOST and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        """Begin the request; a target that names only a host is its root."""
        self._not_understood = 0
        if not self.url.startswith(b"/") and parse_url(self.url).path is None:
            self.url += b"/"
        super().on_headers_complete()
        self._earlier, self._last = self._last, self.cycle

    def on_body(self, body: bytes) -> None:
        """Give a part of the body to the request."""
        self._not_understood = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body."""
        self._not_understood = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, and end the connection; answers that are owed are sent first, and alone."""
        if self.pipeline and self._last is not None and self._last.more_body:
            # The last request waits for the one before it, and its body is cut: it is dropped.
            self.pipeline.popleft()
            self._last = self._earlier
        last = self._last
        is_owed = last is not None and not last.response_complete
        if last is not None and is_owed and (self.pipeline or last.response_started or not last.more_body):
            last.keep_alive = False
            self.flow.pause_reading()
        else:
            super().send_400_response(msg)
