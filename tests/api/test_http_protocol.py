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
CHUNKS = POST + b"1\r\na\r\n0\r\n\r\n"


def head(*lines: bytes, first: bytes = b"GET / HTTP/1.1") -> bytes:
    """Return the head of a request with these headers and a Host."""
    return b"\r\n".join((first, b"Host: x", *lines, b"", b""))


def post(*lines: bytes, first: bytes = b"POST / HTTP/1.1") -> bytes:
    return head(*lines, first=first)


LENGTH, CHUNKED = b"Content-Length: 1", b"Transfer-Encoding: chunked"
H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
# What is 400, by what RFC 9112 and RFC 9110 say of it.
WRONG = {
    # Where a body ends.
    "no length": post(b"Content-Length: a"),
    "an empty length": post(b"Content-Length: "),
    "two lengths": post(LENGTH, b"Content-Length: 2") + b"ab",
    "the same length twice": post(LENGTH, LENGTH) + b"a",
    "a list of lengths": post(b"Content-Length: 1, 1") + b"a",
    "a length with a sign": post(b"Content-Length: +1") + b"a",
    "a negative length": post(b"Content-Length: -1") + b"a",
    "a length in another base": post(b"Content-Length: 0x1") + b"a",
    "a length with a space in it": post(b"Content-Length: 1 1") + b"a",
    "a length of more than 64 bits": post(b"Content-Length: 18446744073709551617") + b"a",
    "length and chunks": post(LENGTH, CHUNKED) + b"1\r\na\r\n",
    "length 0 and chunks": post(b"Content-Length: 0", CHUNKED) + b"0\r\n\r\n",
    "chunks and a length": post(CHUNKED, LENGTH) + b"1\r\na\r\n",
    "chunks and a length in a trailer": POST + b"1\r\na\r\n0\r\nContent-Length: 1\r\n\r\n",
    "chunks twice": post(b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
    "chunks twice, in two headers": post(CHUNKED, CHUNKED) + b"0\r\n\r\n",
    "chunks under another name": post(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "chunks with a parameter": post(b"Transfer-Encoding: chunked;a=b") + b"0\r\n\r\n",
    "chunks behind a control character": post(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n",
    "chunks behind an empty element": post(b"Transfer-Encoding: ,chunked") + b"0\r\n\r\n",
    "chunks that are not the last coding": post(b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "chunks in the first of two headers": post(CHUNKED, b"Transfer-Encoding: identity") + b"0\r\n\r\n",
    "chunks in the second of two headers": post(b"Transfer-Encoding: identity", CHUNKED) + b"0\r\n\r\n",
    "compressed chunks": post(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "no coding": post(b"Transfer-Encoding: identity"),
    "an empty coding": post(b"Transfer-Encoding: "),
    "chunks in HTTP/1.0": post(CHUNKED, first=b"POST / HTTP/1.0") + b"1\r\na\r\n0\r\n\r\n",
    "chunks and a length in HTTP/1.0": post(CHUNKED, LENGTH, first=b"POST / HTTP/1.0") + b"1\r\na\r\n",
    "a length behind an upgrade": post(*H2C, LENGTH) + b"a",
    "chunks behind an upgrade": post(*H2C, CHUNKED) + b"1\r\na\r\n0\r\n\r\n",
    # Chunks.
    "a chunk's size that is no number": POST + b"z\r\na\r\n",
    "a chunk's size with a prefix": POST + b"0x1\r\na\r\n",
    "a chunk's size with a sign": POST + b"+1\r\na\r\n",
    "a chunk's size that is negative": POST + b"-1\r\na\r\n",
    "a chunk's size of more than 64 bits": POST + b"1" + b"0" * 16 + b"\r\na\r\n",
    "a chunk without a size": POST + b"\r\na\r\n",
    "a space before a chunk's size": POST + b" 1\r\na\r\n",
    "a space behind a chunk's size": POST + b"1 \r\na\r\n",
    "a chunk that is longer than its size": POST + b"1\r\nab\r\n",
    "a line end in a chunk's extension": POST + b'1;a="\r\n"\r\na\r\n',
    "bare LF in a chunk's extension": POST + b"1;a\na\r\na\r\n",
    "NUL in a chunk's extension": POST + b"1;a\0\r\na\r\n",
    "bare LF behind a chunk's size": POST + b"1\na\r\n0\r\n\r\n",
    "two CR behind a chunk's size": POST + b"1\r\r\na\r\n",
    "bare LF behind a chunk": POST + b"1\r\na\n0\r\n\r\n",
    "bare LF behind the last chunk": POST + b"1\r\na\r\n0\n\n",
    "bare LF behind a trailer": POST + b"1\r\na\r\n0\r\nA: b\n\r\n",
    "a folded trailer": POST + b"1\r\na\r\n0\r\nA: b\r\n c\r\n\r\n",
    # Lines.
    "bare LF before the line": b"\n" + head(),
    "bare LF behind an empty line": b"\r\n\n" + head(),
    "bare CR before the line": b"\r" + head(),
    "bare LF behind the line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "bare LF behind a header": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: x\r\n\n",
    "bare CR in a header": b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
    "a space before the line": b" " + head(),
    "a header that begins with a space": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "a folded header": head(b"A: b\r\n c"),
    "a space before a colon": head(b"A : b"),
    "a tab before a colon": head(b"A\t: b"),
    "a header without a name": head(b": b"),
    "a header without a colon": head(b"A"),
    "a space in a header's name": head(b"A b: c"),
    "NUL in a header's name": head(b"A\0: b"),
    "NUL in a header": head(b"A: b\0"),
    "a control character in a header": head(b"A: b\x01"),
    # Hosts.
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": head(b"Host: y"),
    "the same host twice": head(b"Host: x"),
    "two hosts in HTTP/1.0": head(b"Host: y", first=b"GET / HTTP/1.0"),
    "an absolute target without a host": b"GET http://x/ HTTP/1.1\r\n\r\n",
    **{
        f"a host that is none: {one.decode('latin-1')}": b"GET / HTTP/1.1\r\nHost: " + one + b"\r\n\r\n"
        for one in (b"x y", b"x/y", b"u@x", b"x:y", b"x:1:2", b"[::1", b"http://x", b"x#y", b"\xe9")
    },
    # Lines of requests.
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/0.9 by its number": head(first=b"GET / HTTP/0.9"),
    "HTTP/2.0 by its number": head(first=b"GET / HTTP/2.0"),
    "HTTP/2 with its preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": head(first=b"GET / HTTP/9.9"),
    "a version in lower case": head(first=b"GET / http/1.1"),
    "another protocol": head(first=b"GET / ICE/1.0"),
    "an unknown method": head(first=b"FOO / HTTP/1.1"),
    "a method in lower case": head(first=b"get / HTTP/1.1"),
    "a tab behind the method": head(first=b"GET\t/ HTTP/1.1"),
    "a space in a target": head(first=b"GET /a b HTTP/1.1"),
    "a target beyond ASCII": head(first=b"GET /\xff HTTP/1.1"),
    "NUL in a target": head(first=b"GET /\0 HTTP/1.1"),
    "a fragment in a target": head(first=b"GET /a#b HTTP/1.1"),
    "a target without a slash": head(first=b"GET a HTTP/1.1"),
    "a target that is an authority": head(first=b"GET x:80 HTTP/1.1"),
    "an absolute target without an authority": head(first=b"GET http:///a HTTP/1.1"),
    "a tunnel": head(first=b"CONNECT x:80 HTTP/1.1"),
}
# What is taken, with the path and the bytes of the body that the application gets.
TAKEN = {
    "an absolute target": (head(first=b"GET http://x/a HTTP/1.1"), b"/a 0"),
    "an absolute target of another host": (head(first=b"GET https://u:p@y:1/a?b HTTP/1.1"), b"/a 0"),
    "an absolute target without a path": (head(first=b"GET http://x HTTP/1.1"), b"/ 0"),
    "an absolute target with a query alone": (head(first=b"GET http://x?a HTTP/1.1"), b"/ 0"),
    "all of the server": (head(first=b"OPTIONS * HTTP/1.1"), b"* 0"),
    "two slashes": (head(first=b"GET //evil/a HTTP/1.1"), b"//evil/a 0"),
    "an escaped line end": (head(first=b"GET /a%0D%0AB: HTTP/1.1"), b"/a\r\nB: 0"),
    "empty lines before the line": (b"\r\n\r\n" + head(), b"/ 0"),
    "an empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", b"/ 0"),
    "an address as host": (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"/ 0"),
    "HTTP/1.0 without a host": (b"GET / HTTP/1.0\r\n\r\n", b"/ 0"),
    "HTTP/1.0 with a length": (post(LENGTH, first=b"POST / HTTP/1.0") + b"a", b"/ 1"),
    "chunks in capitals": (post(b"Transfer-Encoding: CHUNKED") + b"1\r\na\r\n0\r\n\r\n", b"/ 1"),
    "chunks with extensions": (POST + b'1;a=b;c="d;e"\r\na\r\n0;f\r\n\r\n', b"/ 1"),
    "chunks with a trailer": (POST + b"1\r\na\r\n0\r\nA: b\r\n\r\n", b"/ 1"),
    "a length of a GET": (head(LENGTH) + b"a", b"/ 1"),
    "an upgrade that is not made": (head(*H2C), b"/ 0"),
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
    came, _ = await sent(api, wrong + GET)
    assert came.startswith(b"HTTP/1.1 400 ")
    assert came.count(b"HTTP/1.1") == 1


async def test_what_is_no_request_is_not_the_answer_to_the_one_before_it(api: Api) -> None:
    """Its caller would take a bet that is being opened for one that was refused."""
    answers = await asyncio.gather(*(sent(api, GET + wrong) for wrong in WRONG.values()))
    wrong = [name for name, (came, _) in zip(WRONG, answers, strict=True) if came.startswith(b"HTTP/1.1 400 ")]
    assert wrong == []


@pytest.mark.parametrize(("request_", "told"), TAKEN.values(), ids=TAKEN)
async def test_what_rfc_9112_lets_a_server_take_is_taken(api: Api, request_: bytes, told: bytes) -> None:
    came, _ = await sent(api, request_.replace(b"Host:", b"Connection: close\r\nHost:", 1))
    assert came.startswith(b"HTTP/1.1 200 ")
    assert came.endswith(b"\r\n\r\n" + told)


async def test_an_upgrade_that_is_not_made_ends_the_connection(api: Api) -> None:
    """httptools reads no request behind it: its caller would wait for an answer."""
    came, _ = await sent(api, head(*H2C) + head())
    assert came.count(b"HTTP/1.1 200 ") == 1
    assert b"connection: close" in came


async def test_trailers_are_no_headers() -> None:
    """A proxy that checks a header, or sets one, does not see what stands behind the body."""
    headers: list[tuple[bytes, bytes]] = []

    async def keep(scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)
        headers.extend(scope.get("headers", []))

    async with served(keep) as api:
        await sent(api, post(CHUNKED, b"Connection: close") + b"1\r\na\r\n0\r\nX-Sign: a\r\nHost: y\r\n\r\n")
    assert headers == [(b"host", b"x"), (b"transfer-encoding", b"chunked"), (b"connection", b"close")]


async def test_a_request_may_arrive_in_any_pieces(api: Api) -> None:
    """Also if the first ones came with the end of the request before it."""
    both = CHUNKS + post(LENGTH, b"Connection: close") + b"a"
    for cut in (len(CHUNKS), len(CHUNKS) + len(b"POST / HTTP/1.1"), len(both) - 3, len(both) - 1):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(both[:cut])
        await reader.readuntil(b"/ 1")
        writer.write(both[cut:])
        assert (await reader.read()).endswith(b"/ 1")
        writer.close()


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
