"""What the client makes of connections to a casino that break, and of those that are never made."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from betcore.casino.client import CasinoClient
from betcore.domain.partners import Casino
from betcore.domain.profiles import CasinoProfile
from devkit.stack.ports import free
from tests.unit.partner_database import PartnerDatabase

pytestmark = pytest.mark.edge_case(100)
ANSWER = json.dumps({"ErrorCode": 200, "Message": "", "Value": []}).encode()
ENDS = ["closes", "resets", "closes before it reads"]


class Server:
    """A casino that answers its first call and keeps the connection, and ends it at the next one."""

    def __init__(self, end: str) -> None:
        self.end = end
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await self._request(reader)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(ANSWER)}\r\n\r\n"
        writer.write(head.encode() + ANSWER)
        await writer.drain()
        if self.end == "closes before it reads":
            await reader.read(1)
        else:
            await self._request(reader)
        if self.end == "resets":
            writer.transport.abort()
        writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.partition(b":")[2]))


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[CasinoClient]:
    async with PartnerDatabase.at(database_url) as database, aiohttp.ClientSession() as http:
        await database.keys.ensure()
        yield CasinoClient(http, database.keys, "test")


def _at(address: str) -> Casino:
    return Casino(1, 1, "royal", address, CasinoProfile(), disabled=False)


async def _kind(client: CasinoClient, casino: Casino) -> tuple[str | None, str]:
    answer = await client.info(casino, 1, timedelta(seconds=30))
    return answer.meaning, answer.kind


@pytest.mark.parametrize("end", ENDS)
async def test_a_kept_connection_that_dies_may_have_delivered(client: CasinoClient, end: str) -> None:
    database, [port] = Server(end), free(1)
    server = await asyncio.start_server(database.serve, "127.0.0.1", port)
    casino = _at(f"http://127.0.0.1:{port}")
    assert await _kind(client, casino) == ("done", "ok")
    # In no other way is it sent again: it was received, perhaps.
    assert await _kind(client, casino) == (None, "connection")
    assert database.connections == 1
    server.close()
    await server.wait_closed()
    assert await _kind(client, casino) == ("not_sent", "not_sent")


async def test_without_a_connection_nothing_was_delivered(client: CasinoClient) -> None:
    (port,) = free(1)
    for address in (f"http://127.0.0.1:{port}", "http://casino.invalid"):
        assert await _kind(client, _at(address)) == ("not_sent", "not_sent")


async def test_a_casino_without_tls_gets_nothing(client: CasinoClient) -> None:
    got = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.extend(await reader.read(4096))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    (port,) = free(1)
    async with await asyncio.start_server(serve, "127.0.0.1", port):
        assert await _kind(client, _at(f"https://127.0.0.1:{port}")) == ("not_sent", "not_sent")
    assert b"payments" not in got
