"""Health: what is down is named, soon, even where it does not refuse but hangs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from temporalio.client import Client

from api import health
from betcore.db.engine import create_engine
from betcore.settings import Settings
from betcore.stack.ports import free
from tests.api.wire import Answer, Api, served


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """A port that takes connections and never says a word."""
    stop = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stop.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        stop.set()
        server.close()


async def readiness(database_url: str, temporal_address: str) -> Answer:
    async with AsyncExitStack() as stack:
        engine = create_engine(Settings(database_url=database_url))
        stack.push_async_callback(engine.dispose)
        app = FastAPI()
        app.include_router(health.router(engine, await Client.connect(temporal_address, lazy=True)))
        api = await stack.enter_async_context(served(app))
        return await api.get("/health/ready")


async def test_all_up(api: Api) -> None:
    assert (await api.get("/health/live")).body == {"status": "up"}
    found = await api.get("/health/ready")
    assert (found.status, found.body) == (200, {"database": True, "temporal": True})


async def test_the_part_that_is_down_is_named(database_url: str, temporal_address: str) -> None:
    nowhere = f"127.0.0.1:{free(1)[0]}"
    found = await readiness(f"postgresql://u:p@{nowhere}/x", temporal_address)
    assert (found.status, found.body) == (503, {"database": False, "temporal": True})
    found = await readiness(database_url, nowhere)
    assert (found.status, found.body) == (503, {"database": True, "temporal": False})


async def test_parts_that_hang_are_down_after_a_second_together() -> None:
    async with silent_port() as port:
        began = time.monotonic()
        found = await readiness(f"postgresql://u:p@127.0.0.1:{port}/x", f"127.0.0.1:{port}")
        took = time.monotonic() - began
    assert (found.status, found.body) == (503, {"database": False, "temporal": False})
    assert took < 1.9  # less than a second for each, one after the other
