"""Clients of the feed for its benchmark: many websockets in one process, as light as they can be.

``python -m bench.feed_clients`` with a JSON object of ``ports``, ``token``, ``client_id``, ``game_type``, ``clients``
and ``seconds`` connects, prints ``up`` when all have a frame, measures for the seconds, and prints one JSON object: how
late frames came, against each client's own phase, and how many were missed.
"""

import asyncio
import gc
import json
import secrets
import statistics
import sys
from base64 import b64encode
from typing import Any, cast

import uvloop

_HUB = "/signalrhub-livefeed-service/hubs"
_END = b"\x1e"
_EVERY = 0.5
# Connects at once, so that the feed's limit of connections without a handshake is not met.
_AT_ONCE = 200
_TRIES = 10


class Client(asyncio.Protocol):
    """A websocket that reads frames alone: it looks for the number of each tick, and notes when it came."""

    def __init__(self, head: bytes, first: bytes) -> None:
        self._head, self._first = head, first
        self._buffer = b""
        self._accepted = False
        self.came: list[tuple[int, float]] = []
        self.up = asyncio.get_running_loop().create_future()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the websocket."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        now = asyncio.get_running_loop().time()
        self._buffer += data
        if not self._accepted:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._fail(head.partition(b"\r\n")[0].decode())
                return
            self._accepted, self._buffer = True, rest
            self.transport.write(_masked(self._first))
        while (frame := self._take()) is not None:
            if frame.startswith(b'{"type":1'):
                number = frame.partition(b'"sId":')[2]
                self.came.append((int(number.partition(b",")[0]), now))
                if not self.up.done():
                    self.up.set_result(None)

    def _take(self) -> bytes | None:
        """Return the payload of the next frame, None if it is not whole yet. A ping is answered."""
        found = self._buffer
        if len(found) < 2:
            return None
        size, start = found[1], 2
        if size == 126:
            if len(found) < 4:
                return None
            size, start = int.from_bytes(found[2:4], "big"), 4
        if len(found) < start + size:
            return None
        self._buffer = found[start + size :]
        payload = found[start : start + size]
        if found[0] & 15 == 9:
            self.transport.write(_masked(payload, 10))
        return payload

    def connection_lost(self, exc: Exception | None) -> None:
        """Note it."""
        self.lost = True
        self._fail("the connection was lost")

    def _fail(self, why: str) -> None:
        if not self.up.done():
            self.up.set_exception(ConnectionError(why))


def _masked(payload: bytes, opcode: int = 1) -> bytes:
    # A mask of zeros leaves the payload as it is.
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([0x80 | opcode]) + size + bytes(4) + payload


async def main(about: dict[str, Any]) -> None:
    """Connect, measure and print."""
    subscription = json.dumps({"GameType": about["game_type"], "PartnerClientId": about["client_id"], "Count": 3})
    call = {"type": 1, "target": "Subscribe", "arguments": ["SubOnWholeGamesInfo", subscription]}
    first = b'{"protocol":"json","version":1}' + _END + json.dumps(call).encode() + _END
    clients: list[Client] = []
    for begin in range(0, about["clients"], _AT_ONCE):
        batch = range(begin, min(begin + _AT_ONCE, about["clients"]))
        clients += await asyncio.gather(*(_opened(about, number, first) for number in batch))
    # A pause of this process would be taken for one of the feed.
    gc.disable()
    # What connecting has held up is no part of what is measured.
    await asyncio.sleep(2)
    for one in clients:
        one.came.clear()
    print("up", flush=True)
    await asyncio.sleep(about["seconds"])
    late = sorted(value for one in clients for value in _lateness(one.came))
    print(
        json.dumps(
            {
                "clients": len(clients),
                "frames": len(late),
                "wanted": round(about["seconds"] / _EVERY) * len(clients),
                "lost": sum(one.lost for one in clients),
                "late_ms": {
                    "p50": round(statistics.median(late) * 1000, 1),
                    "p99": round(late[int(len(late) * 0.99)] * 1000, 1),
                    "most": round(late[-1] * 1000, 1),
                },
            }
        ),
        flush=True,
    )


async def _opened(about: dict[str, Any], number: int, first: bytes) -> Client:
    """Return a client that gets frames. One that is refused tries again, as a page does."""
    for _ in range(_TRIES):
        client = await _open(about, number, first)
        try:
            await client.up
        except ConnectionError as refused:
            print(refused, file=sys.stderr)
            await asyncio.sleep(1)
        else:
            return client
    raise ConnectionError(f"refused {_TRIES} times")


async def _open(about: dict[str, Any], number: int, first: bytes) -> Client:
    port = about["ports"][number % len(about["ports"])]
    key = secrets.token_bytes(16)
    head = (
        f"GET {_HUB} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {b64encode(key).decode()}\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {about['token']}\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: Client(head, first), "127.0.0.1", port)
    return client


def _lateness(came: list[tuple[int, float]]) -> list[float]:
    """Return how much later than its phase each frame came; the phase is that of the earliest frame."""
    offsets = [at - number * _EVERY for number, at in came]
    earliest = min(offsets, default=0.0)
    return [offset - earliest for offset in offsets]


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
