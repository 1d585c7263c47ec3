"""What is sent, byte by byte, how it is written down when it fails, and connections that stay open in between."""

import asyncio
import base64
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_PATIENCE = 40
_SHOWN = 300

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A request with all its headers but Host and the length. ``chunk`` is the size of its chunks, 0 for a length;
    of one that is ``cut`` only half is sent, and then the caller hangs up."""

    method: str
    path: str
    headers: Headers
    body: bytes
    chunk: int = 0
    cut: bool = False

    def raw(self) -> bytes:
        """Everything that goes over the wire."""
        head = [f"{self.method} {self.path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in self.headers)]
        if self.chunk:
            head.append("Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in self._chunks()) + b"0\r\n\r\n"
        else:
            head.append(f"Content-Length: {len(self.body)}")
            body = self.body
        return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body

    def _chunks(self) -> Iterable[bytes]:
        return (self.body[at : at + self.chunk] for at in range(0, len(self.body), self.chunk))

    def line(self) -> dict[str, Any]:
        """Return the request as JSON can carry it: nothing is lost."""
        return {
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "chunk": self.chunk,
            "cut": self.cut,
            "body_base64": base64.b64encode(self.body).decode(),
            "body_shown": ascii(self.body[:_SHOWN]),
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    raw: bytes

    def line(self) -> dict[str, Any]:
        """Return the answer as JSON can carry it."""
        return {"status": self.status, "headers": self.headers, "body": ascii(self.raw[:2000])}


class Line:
    """One connection at a time to a server; a new one if the server has closed the previous one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: tuple[StreamReader, StreamWriter] | None = None

    async def send(self, request: Request) -> Answer | None:
        """Send a request, and return the answer; None for a request that was cut off."""
        async with asyncio.timeout(_PATIENCE):
            reader, writer = self._open or await asyncio.open_connection("127.0.0.1", self._port)
            self._open = None
            try:
                answer = await _exchange(request, reader, writer)
            except BaseException:
                writer.close()
                raise
        # A body that was refused before its end leaves bytes on the wire: that connection is done with.
        if answer is None or answer.headers.get("connection") == "close" or answer.status == 413:
            writer.close()
        else:
            self._open = (reader, writer)
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._open:
            self._open[1].close()
            self._open = None


async def _exchange(request: Request, reader: StreamReader, writer: StreamWriter) -> Answer | None:
    raw = request.raw()
    if request.cut:
        writer.write(raw[: len(raw) - (len(request.body) + 1) // 2])
        await writer.drain()
        return None
    # Not waited for: of a body that is too large the answer comes before its end.
    writer.write(raw)
    return await _read(reader)


async def _read(reader: StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return Answer(int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"])))


def shown(parts: dict[str, Any]) -> str:
    """Return one line of JSON."""
    return json.dumps(parts, default=str)
