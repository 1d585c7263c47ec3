"""What is no request, byte by byte: it ends its connection, takes no memory, and is no answer to another request."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send

from tests.api.wire import Api, served

GET = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "request line": b"GET /",
    "header name": b"GET / HTTP/1.1\r\nX",
    "header": b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
    "header behind a request": GET.replace(b"/slow", b"/") + b"GET / HTTP/1.1\r\nX: ",
    "trailer": POST + b"1\r\na\r\n0\r\nX: ",
}
WRONG = {
    "no length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": POST.replace(b"Transfer", b"Content-Length: 1\r\nTransfer") + b"1\r\na\r\n",
    "length 0 and chunks": POST.replace(b"Transfer", b"Content-Length: 0\r\nTransfer") + b"0\r\n\r\n",
    "chunks and a length": POST[:-2] + b"Content-Length: 1\r\n\r\n1\r\na\r\n",
    "chunks twice": POST.replace(b"chunked", b"chunked, chunked") + b"0\r\n\r\n",
    "chunks under another name": POST.replace(b"chunked", b"xchunked") + b"0\r\n\r\n",
    "bare LF behind the line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "bare LF behind a header": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: x\r\n\n",
    "bare CR in a header": b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "bare LF behind a chunk's size": POST + b"1\na\r\n0\r\n\r\n",
    "bare LF behind a chunk": POST + b"1\r\na\n0\r\n\r\n",
    "bare LF behind the last chunk": POST + b"1\r\na\r\n0\r\n\n",
    "chunk": POST + b"z\r\na\r\n",
    "target": b"GET \xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "header name": b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n",
    "header": b"GET / HTTP/1.1\r\nHost: x\x00\r\n\r\n",
}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path and the number of bytes in the body, some of them late; a body that is cut has no answer."""
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    said = f"{scope['path']} {size}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[Api]:
    async with served(echo) as running:
        yield running


async def sent(api: Api, begin: bytes, more: bytes = b"", times: int = 0) -> tuple[bytes, int]:
    """Send bytes until the connection is ended; return what came back, and how often ``more`` was taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    taken = 0
    try:
        writer.write(begin)
        while taken < times:
            taken += 1
            writer.write(more)
            async with asyncio.timeout(60):
                await writer.drain()
            await asyncio.sleep(0)
    except (ConnectionError, TimeoutError):
        pass
    try:
        async with asyncio.timeout(60):
            return await reader.read(), taken
    except ConnectionError:
        return b"", taken
    finally:
        writer.close()


@pytest.mark.parametrize("begin", ENDLESS.values(), ids=ENDLESS)
async def test_what_does_not_end_ends_its_connection(api: Api, begin: bytes) -> None:
    """Without it one caller fills the memory of the API."""
    came, taken = await sent(api, begin, b"a" * 2**16, 1000)
    assert taken < 1000
    assert b"HTTP/1.1 200" not in came.partition(b"\r\n\r\n/ 0")[2]


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_what_is_no_request_is_400_and_ends_its_connection(api: Api, wrong: bytes) -> None:
    came, _ = await sent(api, wrong)
    assert came.startswith(b"HTTP/1.1 400 ")
    assert came.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_what_is_no_request_is_not_the_answer_to_the_one_before_it(api: Api, wrong: bytes) -> None:
    """Its caller would take a bet that is being opened for one that was refused."""
    came, _ = await sent(api, GET + wrong)
    assert not came.startswith(b"HTTP/1.1 400 ")


async def test_requests_behind_each_other_are_answered_in_their_order(api: Api) -> None:
    close = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    came, _ = await sent(api, GET + POST + b"3\r\nabc\r\n0\r\n\r\n" + close)
    assert [line for line in came.split(b"\r\n") if line.startswith(b"/")] == [
        b"/slow 0HTTP/1.1 200 OK",
        b"/ 3HTTP/1.1 200 OK",
        b"/last 0",
    ]


async def test_a_large_head_and_a_large_body_are_read(api: Api) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"a" * 60_000
    came, _ = await sent(api, head + b"\r\nContent-Length: 1000000\r\n\r\n" + b"b" * 1_000_000)
    assert came.endswith(b"/ 1000000")
