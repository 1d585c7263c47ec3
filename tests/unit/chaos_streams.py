"""Raw streams for the tests of the proxy: a server that says everything back, and clients."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from devkit.chaos.proxy import Link

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LONG = bytes(range(256)) * 4000  # a megabyte


class Server:
    """A server that records what it received, and how each connection ended: "eof" or "reset"."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ends: asyncio.Queue[str] = asyncio.Queue()
        self.arrived = asyncio.Condition()

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say everything back; close when the client has closed."""
        try:
            while chunk := await reader.read(65536):
                async with self.arrived:
                    self.heard += chunk
                    self.arrived.notify_all()
                writer.write(chunk)
                await writer.drain()
            self.ends.put_nowait("eof")
        except ConnectionError:
            self.ends.put_nowait("reset")
        finally:
            writer.close()

    async def until(self, heard: bytes) -> None:
        """Wait until exactly this was received."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: bytes(self.heard) == heard)


@asynccontextmanager
async def linked(talk: Talk) -> AsyncIterator[tuple[Link, int]]:
    """Put a link before a server; check that nothing is left of either."""
    before = asyncio.all_tasks()
    listener = await asyncio.start_server(talk, "127.0.0.1", 0)
    link = Link("test", "127.0.0.1", listener.sockets[0].getsockname()[1])
    port = await link.open()
    try:
        async with asyncio.timeout(20):
            yield link, port
    finally:
        await link.close()
        listener.close()
        left = {task for task in asyncio.all_tasks() - before if "chaos" in task.get_name()}
        assert not left


async def connect(port: int) -> Streams:
    return await asyncio.open_connection("127.0.0.1", port)


async def say(streams: Streams, words: bytes) -> bytes:
    """Send and hear the same number of bytes."""
    streams[1].write(words)
    return await streams[0].readexactly(len(words))


async def hear_reset(streams: Streams) -> bytes:
    """Return what came before the connection was reset; fail if it was closed in order."""
    heard = bytearray()
    try:
        while chunk := await streams[0].read(65536):
            heard += chunk
    except ConnectionResetError:
        return bytes(heard)
    finally:
        await let_go(streams)
    raise AssertionError("closed in order")


def tear(streams: Streams) -> None:
    """Reset the connection from this end."""
    raw = streams[1].get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    streams[1].transport.abort()


async def let_go(streams: Streams) -> None:
    streams[1].close()
    with suppress(ConnectionError):
        await streams[1].wait_closed()
