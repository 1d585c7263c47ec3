"""The API on a real port, and a caller that sends exactly the given bytes."""

import asyncio
import json
import logging
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
import uvicorn
from fastapi import FastAPI

from api.codec.main import create_app as create_codec
from api.feed.main import create_app as create_feed
from api.feed.websockets import BoundedWebSockets
from api.http_protocol import BoundedHttp
from api.main import create_app
from betcore.provider import xsign
from tests.cluster import as_role
from tests.in_process_casino import SECRET_KEY

Headers = Iterable[tuple[str, str]]
JSON = ("Content-Type", "application/json")
_PATIENCE = 60

BET = b'{"betId":"bet-1"}'
UNKNOWN_SESSION = "/v1/sessions/nobody"
REFUND = f"{UNKNOWN_SESSION}/bets/refund"
BALANCE = f"{UNKNOWN_SESSION}/balance"
# The session is checked last of all that the wire refuses: a call with this answer has passed everything else.
PASSED = (200, 3, "session_unknown")
MALFORMED = (400, 2, "malformed")
NOT_AUTHORISED = (401, 8, "not_authorised")
TOO_LARGE = (413, 2, "too_large")
UNKNOWN = (503, 99, "outcome_unknown")


@dataclass(frozen=True)
class Answer:
    """A response; header names in lower case."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def outcome(self) -> tuple[int, int, str | None]:
        """Return HTTP status, _responseCode and reason."""
        return self.status, self.body["_responseCode"], self.body.get("reason")


@dataclass(frozen=True)
class Signer:
    """A provider that signs requests."""

    counterparty_id: str
    secret: str

    def sign(self, body: bytes = b"", off: float = 0, request_id: str = "") -> dict[str, str]:
        """Return the four headers; ``off`` seconds are added to the clock."""
        timestamp = str(time.time_ns() // 1_000_000 + round(off * 1000))
        request_id = request_id or secrets.token_hex(16)
        return {
            xsign.COUNTERPARTY_ID: self.counterparty_id,
            xsign.TIMESTAMP: timestamp,
            xsign.REQUEST_ID: request_id,
            xsign.SIGNATURE: xsign.sign(self.secret, self.counterparty_id, timestamp, request_id, body),
        }


@dataclass(frozen=True)
class Api:
    """A served API, and its application if it runs in this process."""

    port: int
    app: FastAPI | None = None

    @property
    def inner(self) -> "Api":
        """Return the inner port of the same process, if it runs in this one."""
        assert self.app is not None
        return Api(self.app.state.inner_port)

    async def get(self, path: str, headers: Headers = ()) -> Answer:
        """Send a GET without a body."""
        return await self.send("GET", path, headers)

    async def send(self, method: str, path: str, headers: Headers = (), body: bytes = b"") -> Answer:
        """Send a request with its right Content-Length."""
        length = [("Content-Length", str(len(body)))] if body or method != "GET" else []
        head = "".join(f"{name}: {value}\r\n" for name, value in [*length, *headers])
        return await self.raw(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode("latin-1") + body)

    async def raw(self, request: bytes) -> Answer:
        """Send these bytes on a connection of their own."""
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(0 if request[:4] == b"HEAD" else int(headers.get("content-length", 0)))
            finally:
                writer.close()
        return Answer(int(head[0].split()[1]), headers, body)


@asynccontextmanager
async def served(app: FastAPI, idle_seconds: int = 5) -> AsyncIterator[Api]:
    """Serve an application by uvicorn on a free port; a connection may be idle for so long."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        options = {"http": BoundedHttp, "ws": BoundedWebSockets, "ws_per_message_deflate": False}
        options |= {"timeout_keep_alive": idle_seconds, "log_config": None, "access_log": False}
        server = uvicorn.Server(uvicorn.Config(app, lifespan="on", **options))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not (server.started or task.done()):
            await asyncio.sleep(0.01)
        try:
            yield Api(listening.getsockname()[1], app)
        finally:
            server.should_exit = True
            await task


def running_api(database_url: str, temporal_address: str, **settings: str) -> AbstractAsyncContextManager[Api]:
    """Run the API as a process does, composed by its own composition root from the environment."""
    return _running(
        create_app, database_url=as_role(database_url, "api"), temporal_address=temporal_address, **settings
    )


def running_feed(database_url: str, **settings: str) -> AbstractAsyncContextManager[Api]:
    """Run the feed as a process does, with no limit of calls that tests would meet."""
    return _running(
        create_feed, database_url=as_role(database_url, "feed"), **{"feed_calls_per_second": "100000", **settings}
    )


def running_codec(**settings: str) -> AbstractAsyncContextManager[Api]:
    """Run the codec server as a process does, with neither database nor Temporal."""
    return _running(create_codec, **settings)


@asynccontextmanager
async def _running(create: Callable[[], FastAPI], **settings: str) -> AsyncIterator[Api]:
    given = {
        "secret_key": SECRET_KEY,
        "partner_cache_seconds": "0",
        "api_inner_port": "0",
        "feed_inner_port": "0",
        "codec_inner_port": "0",
        "log_level": "critical",
        **settings,
    }
    handlers, level, configured = logging.root.handlers[:], logging.root.level, structlog.get_config()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in given.items():
            environment.setenv(f"BETCORE_{name.upper()}", value)
        app = create()
    try:
        async with served(app) as api:
            yield api
    finally:
        # Another API may go on; by default structlog shows each failure with all its variables, which takes seconds.
        structlog.configure(**configured)
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)


async def post(api: Api, signer: Signer, body: bytes, path: str = REFUND, off: float = 0) -> Answer:
    return await api.send("POST", path, [JSON, *signer.sign(body, off).items()], body)
