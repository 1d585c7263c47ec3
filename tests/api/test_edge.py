"""What callers can do to the port: each attack ends its own connection, and honest calls go on."""

import asyncio
import uuid
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Receive, Scope, Send

from api.edge.connections import STATE, Connections
from api.provider import signature
from betcore.db.database import Database
from tests.api.test_http_protocol import echo
from tests.api.test_wire import another
from tests.api.wire import (
    BALANCE,
    BET,
    JSON,
    NOT_AUTHORISED,
    PASSED,
    REFUND,
    TOO_LARGE,
    Api,
    Signer,
    post,
    running_api,
    served,
)
from tests.in_process_casino import InProcessCasino

HEAD, BODY = 0.5, 1.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
# Far more than any deadline here: what is still open then is not ended at all.
PATIENCE = 40
FEED_TOKEN = "/partnersmediator-service/api/v2/auth/token"


def limited(app: ASGIApp, most: int) -> ASGIApp:
    """Return the application with limits of its own for its connections."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        scope["state"][STATE] = Connections(most, HEAD, BODY)
        for _ in range(2):
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})

    return run


@pytest.fixture(scope="module")
async def hasty() -> AsyncIterator[Api]:
    """Serve with short deadlines."""
    async with served(limited(echo, 1000)) as running:
        yield running


class Caller:
    """A connection that stays open."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def call(self, request: bytes = GET) -> bytes:
        """Send a request, and return the whole answer."""
        self.writer.write(request)
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            return head + await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Return what comes until the connection is ended, however that is."""
        came = b""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while more := await self.reader.read(2**16):
                    came += more
        return came

    async def drip(self, first: bytes, more: bytes, gap: float = 0.1) -> bytes:
        """Send bytes at intervals, and return what comes until the connection is ended."""

        async def send() -> None:
            self.writer.write(first)
            while True:
                await asyncio.sleep(gap)
                self.writer.write(more)

        sending = asyncio.create_task(send())
        try:
            return await self.rest()
        finally:
            sending.cancel()


@asynccontextmanager
async def connected(api: Api) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()


# Deadlines


@pytest.mark.edge_case(270)
@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"GET /", b"x"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a"),
        (GET + b"GET / HTTP/1.1\r\nX: ", b"a"),
    ],
    ids=["line", "header", "second head"],
)
async def test_a_head_that_drips_is_cut(hasty: Api, first: bytes, more: bytes) -> None:
    async with connected(hasty) as caller:
        began = asyncio.get_running_loop().time()
        came = await caller.drip(first, more)
        assert asyncio.get_running_loop().time() - began >= HEAD
    # The dripping may cut the answer off; a call that was there before has its own.
    assert came.count(b"HTTP/1.1 200 ") == first.count(GET)
    assert came.count(b"HTTP/1.1 408 ") == came.count(b"HTTP/1.1") - first.count(GET)


@pytest.mark.edge_case(270)
@pytest.mark.parametrize(
    ("head", "more"),
    [(b"Content-Length: 1000\r\n\r\n", b"x"), (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")],
    ids=["length", "chunks"],
)
async def test_a_body_that_drips_is_cut(hasty: Api, head: bytes, more: bytes) -> None:
    async with connected(hasty) as caller:
        began = asyncio.get_running_loop().time()
        came = await caller.drip(POST + head, more)
        assert asyncio.get_running_loop().time() - began >= BODY
    assert came == b"" or came.startswith(b"HTTP/1.1 408 ")


@pytest.mark.edge_case(270)
async def test_a_request_that_stops_halfway_is_answered_408(hasty: Api) -> None:
    for begun in (b"GET / HTT", POST + b"Content-Length: 3\r\n\r\nab"):
        async with connected(hasty) as caller:
            caller.writer.write(begun)
            came = await caller.rest()
        assert came.startswith(b"HTTP/1.1 408 ")
        assert b"\r\nconnection: close\r\n" in came


@pytest.mark.edge_case(270)
async def test_a_connection_that_sends_no_request_is_ended_without_an_answer() -> None:
    """Empty lines are no part of a request."""
    before = _ended("idle")
    async with served(limited(echo, 10), idle_seconds=1) as api, connected(api) as silent, connected(api) as caller:
        assert await caller.drip(b"\r\n", b"\r\n") == b""
        assert await silent.rest() == b""
    assert _ended("idle") == before + 2


@pytest.mark.edge_case(270)
async def test_a_connection_that_has_made_a_call_may_be_idle_for_longer(hasty: Api) -> None:
    async with connected(hasty) as caller:
        await caller.call()
        await asyncio.sleep(2 * (HEAD + BODY))
        assert (await caller.call()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.edge_case(270)
async def test_no_deadline_runs_while_a_call_is_answered() -> None:
    """A call that waits behind it is not late: it is not read."""
    release = asyncio.Event()

    async def hold(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/hold":
            await release.wait()
        await echo(scope, receive, send)

    async with served(limited(hold, 10)) as api, connected(api) as caller:
        caller.writer.write(GET.replace(b"/", b"/hold", 1) + GET + POST + b"Content-Length: 3\r\n\r\n")
        await asyncio.sleep(1.5 * (HEAD + BODY))
        release.set()
        first, second, third = await caller.call(b""), await caller.call(b""), await caller.call(b"abc")
    assert (first[-7:], second[-3:], third[-3:]) == (b"/hold 0", b"/ 0", b"/ 3")


@pytest.mark.edge_case(270)
async def test_a_caller_that_does_not_take_its_answer_is_ended() -> None:
    """Each would hold an answer in memory."""

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(2**24)})

    before = _ended("not_taken")
    async with served(limited(large, 10), idle_seconds=1) as api, connected(api) as caller:
        caller.writer.write(GET)
        await caller.reader.readuntil(b"\r\n\r\n")
        # Its buffers take much of the answer, and not all of it.
        await _until(lambda: _is_more(before, "not_taken"))
        assert len(await caller.rest()) < 2**24


def _ended(reason: str) -> float:
    counted = {"reason": reason}
    return REGISTRY.get_sample_value("betcore_http_connections_ended_total", counted) or 0


async def _is_more(before: float, reason: str) -> bool:
    return _ended(reason) > before


# Sizes


@pytest.mark.edge_case(271)
@pytest.mark.parametrize(
    ("path", "most", "told"),
    [
        (REFUND, 16, TOO_LARGE),
        ("/v1/live/1/rounds/2", 64, TOO_LARGE),
        ("/v1/none/such", 16, TOO_LARGE),
        ("/mis-api/api/v2/auth/token", 4, 103801),
        ("/mis-api/api/v2/payments/accept", 64, 103801),
        ("/webframe/api/open", 16, "malformed"),
        (FEED_TOKEN, 4, 103801),
    ],
)
async def test_a_body_is_refused_by_the_size_of_its_route_before_it_is_read(
    api: Api, feed: Api, path: str, most: int, told: object
) -> None:
    at = feed if path == FEED_TOKEN else api
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode()
    for begun in (
        # Of the first nothing is sent but its length.
        head + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % (most * 1024 + 1),
        head + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % (most * 1024 + 1) + b"x" * (most * 1024 + 1),
    ):
        answer = await at.raw(begun)
        assert answer.status == 413
        assert answer.outcome == told if isinstance(told, tuple) else told in answer.body.values()
    fitting = await at.send("POST", path, [JSON], b" " * most * 1024)
    assert fitting.status != 413


@pytest.mark.edge_case(271)
async def test_what_is_left_of_a_refused_body_is_read_up_to_a_limit(api: Api) -> None:
    head = f"POST {REFUND} HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    async with connected(api) as caller:
        # A caller that sends all of it reads its answer, and goes on.
        assert b"too_large" in await caller.call((head % 500_000).encode() + b"x" * 500_000)
        assert b"too_large" in await caller.call((head % 500_000).encode() + b"x" * 500_000)
    async with connected(api) as caller:
        assert b"too_large" in await caller.call((head % 10**9).encode())
        assert await caller.drip(b"", b"x" * 100_000, 0.001) == b""


# Connections


@pytest.mark.edge_case(272)
async def test_beyond_the_limit_new_connections_are_ended_and_callers_live_on() -> None:
    async with served(limited(echo, 5)) as api, AsyncExitStack() as held:
        callers = [await held.enter_async_context(connected(api)) for _ in range(5)]
        for caller in callers:
            await caller.call()
        for _ in range(20):
            async with connected(api) as beyond:
                came = await beyond.rest()
                assert came == b"" or came.startswith(b"HTTP/1.1 503 ")
        for caller in callers:
            assert (await caller.call()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.edge_case(272)
async def test_connections_that_are_held_open_for_nothing_keep_no_caller_out() -> None:
    async with served(limited(echo, 5)) as api, AsyncExitStack() as held:
        honest = await held.enter_async_context(connected(api))
        await honest.call()
        silent = [await held.enter_async_context(connected(api)) for _ in range(20)]
        for caller in silent[:10]:
            caller.writer.write(POST + b"Content-Length: 9\r\n\r\nx")
        for _ in range(20):
            async with connected(api) as caller:
                assert (await caller.call()).startswith(b"HTTP/1.1 200 ")
        assert (await honest.call()).startswith(b"HTTP/1.1 200 ")


# Calls


@pytest.mark.edge_case(273)
async def test_calls_beyond_the_limit_are_to_be_sent_again_and_bodies_that_drip_are_not_counted(
    casino: InProcessCasino, signer: Signer, wire_database: str, temporal_address: str
) -> None:
    balance = f"/v1/sessions/{casino.session.session_id}/balance"
    async with running_api(wire_database, temporal_address, http_calls_in_flight="1") as api, AsyncExitStack() as held:
        for _ in range(5):
            dripping = await held.enter_async_context(connected(api))
            dripping.writer.write(f"POST {REFUND} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx".encode())
        assert (await api.get(BALANCE, signer.sign().items())).outcome == PASSED
        await casino.faults({"kind": "hold", "path": "/users/data", "times": 1})
        first = asyncio.create_task(api.get(balance, signer.sign().items()))
        await _until(lambda: _called(casino, "/users/data"))
        refused = await api.get(BALANCE, signer.sign().items())
        assert (refused.outcome, refused.headers["retry-after"]) == ((503, 99, "outcome_unknown"), "1")
        accept = await api.send("POST", "/mis-api/api/v2/payments/accept", [JSON], b"{}")
        assert (accept.status, accept.body["ErrorCode"], accept.headers["retry-after"]) == (503, 102823, "1")
        assert (await api.send("POST", "/webframe/api/open", [JSON], b"{}")).status == 503
        await casino.release()
        await first
        assert (await api.get(BALANCE, signer.sign().items())).outcome == PASSED


async def _called(casino: InProcessCasino, path: str) -> bool:
    return any(call["path"] == path for call in await casino.casino_calls())


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.02)


# Callers who make up who they are


@pytest.mark.edge_case(274)
async def test_made_up_callers_cost_no_statement_each(
    casino: InProcessCasino, wire_database: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    records = Database._records

    async def counted(self: Database, statement: object, given: dict[str, object]) -> object:
        sent.append(statement)
        return await records(self, statement, given)  # type: ignore[arg-type]

    async with running_api(wire_database, temporal_address, partner_cache_seconds="2") as api:
        monkeypatch.setattr(Database, "_records", counted)
        strangers = [Signer(str(uuid.uuid4()), "a-secret") for _ in range(300)]
        answers = await asyncio.gather(*(post(api, stranger, BET) for stranger in strangers))
        assert {answer.outcome for answer in answers} == {NOT_AUTHORISED}
        pages = await asyncio.gather(*(api.get(f"/webframe/{10**9 + number}") for number in range(300)))
        assert {page.status for page in pages} == {404}
        monkeypatch.undo()
    # One for all that come in a tenth of a second, and those of the process itself.
    assert len(sent) < 100


@pytest.mark.edge_case(274)
async def test_a_raw_signature_is_checked_before_the_body_is_sorted(
    api: Api, casino: InProcessCasino, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorting = await another(casino, "raw-first", "signature: raw_or_sorted")
    sorted_bodies: list[bytes] = []

    def sorted_encoding(body: bytes) -> bytes:
        sorted_bodies.append(body)
        return body

    monkeypatch.setattr(signature, "sorted_encoding", sorted_encoding)
    assert (await post(api, sorting, BET)).outcome == PASSED
    assert sorted_bodies == []
    assert (await post(api, Signer(sorting.counterparty_id, "not-the-secret"), BET)).outcome == NOT_AUTHORISED
    assert sorted_bodies == [BET]
