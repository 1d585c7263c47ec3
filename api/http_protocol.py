"""How uvicorn reads the API's requests: ``--http api.http_protocol:BoundedHttp``."""

import asyncio
import logging
import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import count

from httptools import parse_url
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from api.edge import rfc9112
from api.edge.connections import STATE, Connections

# As much as uvicorn's other parser, h11, keeps.
_MOST = 64 * 1024
# Bytes that are thrown away of a body after its call was refused. A caller that sends on reads its answer that way.
_MOST_LEFT_OVER = 2**20
# Seconds in which what has arrived already is read, before a caller counts as late.
_LAST_LOOK = 0.1
# Seconds in which a caller takes what is left of an answer when its connection ends.
_TAKES_LAST_WITHIN = 30.0
# The golden ratio spreads any number of connections evenly over what their deadlines may be longer.
_SPREAD, _LONGER = 0.618033988749895, 0.2
_numbers: Iterator[int] = count()
_EMPTY_LINES = re.compile(rb"\A(?:\r\n)+")
# uvicorn's warnings are about what callers send: a line for each would be a flood. They are counted instead.
_log = logging.getLogger("api.http_protocol")
_log.setLevel(logging.ERROR)


class _Part(StrEnum):
    """A part of a request that a caller has to send in its time."""

    HEAD = "head"
    BODY = "body"


class BoundedHttp(HttpToolsProtocol):
    """HTTP/1.1 by httptools, with rules that it, or uvicorn, lacks.

    - A request line, a header or a trailer that does not end would fill the memory: beyond 64 KiB it is refused.
    - Head and body of a request have to arrive in their time. There is a limit of connections
      (``api.edge.connections``).
    - What RFC 9112 has a server refuse and httptools takes is refused (``api.edge.rfc9112``). Trailers are dropped:
      uvicorn takes them for headers, with which a caller could change those that a proxy has checked or set.
    - The refusal of a request is never sent while the answer to an earlier one is owed: its caller would take it for
      that.

    If you raise uvicorn or httptools, read what has changed in ``uvicorn/protocols/http/httptools_impl.py``. This class
    extends the methods that the transport and the parser call, and calls each of uvicorn's in turn. Of uvicorn's own
    state it reads ``url``, ``headers``, ``cycle`` (the last request, with ``response_complete`` and ``more_body``) and
    ``flow``; it changes ``cycle.keep_alive``, ``pipeline`` (requests that wait, the next one at the right end) and
    ``timeout_keep_alive_task``. tests/api/test_http_protocol.py and test_edge.py play each rule over sockets.
    """

    # Bytes since the parser last understood something: a whole head, a part of a body, a whole request.
    _not_understood = 0
    # The last request whose head was read, and the one before it.
    _last: RequestResponseCycle | None = None
    _earlier: RequestResponseCycle | None = None
    # What the caller has to send now; None before a request, and between two.
    _due: _Part | None = None
    _deadline: asyncio.TimerHandle | None = None
    _left_over = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or end it if there are too many."""
        super().connection_made(transport)
        self.logger = _log
        self._share = 1 + next(_numbers) * _SPREAD % 1 * _LONGER
        self.timeout_keep_alive *= self._share  # type: ignore[assignment]  # call_later takes any number
        self._limits: Connections = self.app_state.setdefault(STATE, Connections())
        if self._limits.admit(self, len(self.connections)):
            self._watch()
        else:
            self._refuse(503, "Too many connections.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_deadline()
        # uvicorn keeps this timer, and the connection with it, if its caller has reset the connection.
        self._unset_keepalive_if_required()
        self._limits.forget(self)
        super().connection_lost(exc)

    def make_room(self) -> None:
        """End the connection for a newer one."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on, or end the connection."""
        if self._due is None:
            # httptools skips a bare LF or CR as it does an empty line. Behind a request in the same read it still does.
            data = _EMPTY_LINES.sub(b"", data)
            if not data:
                return
            if data.startswith((b"\r", b"\n")):
                self.send_400_response("A line ends in CR and LF.")
                return
        self._not_understood += len(data)
        super().data_received(data)
        if self._not_understood > _MOST and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")
        self._watch()

    def handle_websocket_upgrade(self) -> None:
        """Give the connection to the protocol of websockets, which has deadlines of its own."""
        self._end_deadline()
        self._due = None
        self._not_understood = 0
        self._last = None
        self._limits.forget(self)
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        self._due = _Part.HEAD
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; one that comes behind the body is a trailer."""
        if self._due is _Part.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the request; a target that names only a host is its root.

        An error that is raised here is one of the parser: the request is refused.
        """
        # httptools reads nothing that follows, not even a body. Websockets are another protocol's.
        is_upgrade = self.parser.should_upgrade() and not self._should_upgrade()
        rfc9112.check(self.parser.get_http_version(), self.url, self.headers, may_have_body=not is_upgrade)
        self._not_understood = self._left_over = 0
        self._end_deadline()
        self._due = _Part.BODY
        if not self.url.startswith(b"/") and parse_url(self.url).path is None:
            host, mark, query = self.url.partition(b"?")
            self.url = host + b"/" + mark + query
        super().on_headers_complete()
        self._earlier, self._last = self._last, self.cycle
        if is_upgrade:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Give a part of the body to the request."""
        self._not_understood = 0
        super().on_body(body)
        if self._last is not None and self._last.response_complete:
            self._left_over += len(body)
            if self._left_over > _MOST_LEFT_OVER and not self.transport.is_closing():
                self._limits.count_ended("left_over")
                self.transport.close()

    def on_message_complete(self) -> None:
        """End the body."""
        self._not_understood = 0
        self._end_deadline()
        self._due = None
        self._limits.forget(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request; an answer that is not read does not keep a connection that ends."""
        super().on_response_complete()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.loop.call_later(_TAKES_LAST_WITHIN, self.transport.abort)

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection, also one whose caller has not read its answer."""
        if self.transport.get_write_buffer_size():
            self._limits.count_ended("not_taken")
            self.transport.abort()
            return
        if self._last is None:
            self._limits.count_ended("idle")
        super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, and end the connection."""
        self._limits.count_ended("no_request")
        self._refuse(400, msg)

    def _watch(self) -> None:
        """Begin the deadline of what is due, unless it runs; without it the time in which a connection may be idle.

        uvicorn begins that time with the end of an answer alone, and ends it when something is read: without this, a
        new connection, and one on which the rest of a refused body comes, could be idle for good.
        """
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self._due is not None:
            if self._deadline is None:
                self._deadline = self.loop.call_later(self._seconds(self._due), self._out_of_time)
        elif self.timeout_keep_alive_task is None and (self._last is None or self._last.response_complete):
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _seconds(self, part: _Part) -> float:
        """Return the time for a part: connections that came together are not ended together, which would take long."""
        return self._share * (self._limits.head_seconds if part is _Part.HEAD else self._limits.body_seconds)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _out_of_time(self) -> None:
        if self._due is not None and self.flow.read_paused:
            # It is not read, because an earlier call is being answered: the caller's time begins when it is.
            self._deadline = self.loop.call_later(self._seconds(self._due), self._out_of_time)
        else:
            # A process that stood still itself reads first what has arrived meanwhile.
            self._deadline = self.loop.call_later(_LAST_LOOK, self._cut)

    def _cut(self) -> None:
        """End the connection of a caller that takes too long."""
        if self.transport.is_closing():
            return
        self._limits.count_ended(f"{self._due}_late")
        if self._due is _Part.BODY and self._last is not None and self._last.response_complete:
            self.transport.close()
        else:
            self._refuse(408, "The request did not arrive in time.")

    def _refuse(self, status: int, text: str) -> None:
        """Answer, and end the connection; answers that are owed are sent first, and alone."""
        if self.pipeline and self._last is not None and self._last.more_body:
            # The last request waits for the one before it, and its body is cut: it is dropped.
            self.pipeline.popleft()
            self._last = self._earlier
        last = self._last
        is_owed = last is not None and not last.response_complete
        if last is not None and is_owed and (self.pipeline or last.response_started or not last.more_body):
            last.keep_alive = False
            self.flow.pause_reading()
            return
        head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n" % len(text)
        retry = b"retry-after: 1\r\n" if status == 503 else b""
        self.transport.write(STATUS_LINE[status] + head + retry + b"\r\n" + text.encode())
        self.transport.close()
