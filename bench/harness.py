"""What the benchmarks share: partners, servers in processes of their own, and the peak memory of a process."""

import asyncio
import json
import resource
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.database import open_database
from betcore.db.migrate import migrate
from betcore.db.onboarding import Onboarding
from betcore.db.signing_keys import SigningKeys
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from devkit.stack.process import Service, start

# Seconds that a process may take until it prints its first line, and until it has ended after SIGTERM.
_TO_BEGIN, _TO_END = 120, 60


class ProcessEnded(Exception):
    """A process that a benchmark depends on has ended, or does not go on."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process of a benchmark, and the first line that it has printed."""

    process: Process
    first_line: str


async def prepare(engine: AsyncEngine, settings: Settings, casino: str, profile: str = "") -> None:
    """Create the schema, and in it one provider and one casino at this address."""
    await migrate(engine)
    vault = Vault.of(settings)
    desk = Onboarding(engine, vault)
    await desk.add_provider("p", "http://127.0.0.1:1")
    await desk.add_casino("c", casino, profile)
    async with open_database(settings) as database:
        await SigningKeys(database, vault, 60).ensure()


@asynccontextmanager
async def child(*command: str, **environment: str) -> AsyncIterator[Child]:
    """Run ``python -m`` of a module during the block. It ends with this process, however that ends.

    Raises ProcessEnded if it ends, or is silent for two minutes, before it has printed a line.
    """
    service = Service(command[0], (sys.executable, "-m", *command), environment)
    process = await start(service, stdout=PIPE, stderr=sys.stderr.fileno())
    try:
        yield Child(process, await first_line(process, " ".join(command)))
    finally:
        await end(process)


async def first_line(process: Process, name: str) -> str:
    """Return the first line that a process prints. Raises ProcessEnded without one."""
    assert process.stdout is not None  # noqa: S101  for mypy: a pipe was asked for
    try:
        async with asyncio.timeout(_TO_BEGIN):
            if line := await process.stdout.readline():
                return line.decode().strip()
            raise ProcessEnded(f"{name} ended with status {await process.wait()} before it was ready")
    except TimeoutError:
        raise ProcessEnded(f"{name} was not ready in {_TO_BEGIN} s") from None


async def figures(running: Child) -> dict[str, Any]:
    """Return the JSON object that a child prints at its end, however long that takes: its first line says it works."""
    assert running.process.stdout is not None  # noqa: S101  for mypy: a pipe was asked for
    found: dict[str, Any] = json.loads(await running.process.stdout.readline() or "null")
    if found is None:
        raise ProcessEnded(f"ended with status {await running.process.wait()} without figures")
    return found


async def end(process: Process) -> None:
    """End a process by SIGTERM, and by SIGKILL if that takes too long."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _TO_END)
    except TimeoutError:
        process.kill()
        await process.wait()


@asynccontextmanager
async def beside(*command: str, **environment: str) -> AsyncIterator[str]:
    """Run ``python -m`` of a module that calls ``serve`` during the block, and yield its address."""
    async with child(*command, **environment) as running:
        yield running.first_line


async def serve(*routes: web.RouteDef) -> None:
    """Serve on a free port, whose address is printed, until the process is stopped."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("http://{}:{}".format(*runner.addresses[0][:2]), flush=True)
    await asyncio.Event().wait()


def peak_mib() -> float:
    """Return the peak memory of this process, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
