"""What the benchmarks share: partners, a server in a process of its own, and the peak memory of a process."""

import asyncio
import os
import resource
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.migrate import migrate
from betcore.db.onboarding import Onboarding
from betcore.db.signing_keys import SigningKeys
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault


async def prepare(engine: AsyncEngine, settings: Settings, casino: str, profile: str = "") -> None:
    """Create the schema, and in it one provider and one casino at this address."""
    await migrate(engine)
    vault = Vault.of(settings)
    desk = Onboarding(engine, vault)
    await desk.add_provider("p", "http://127.0.0.1:1")
    await desk.add_casino("c", casino, profile)
    await SigningKeys(engine, vault, 60).ensure()


@asynccontextmanager
async def beside(*command: str, **environment: str) -> AsyncIterator[str]:
    """Run ``python -m`` of a module that calls ``serve`` during the block, and yield its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command), env=os.environ | environment, stdout=PIPE
    )
    try:
        assert process.stdout is not None  # noqa: S101  for mypy: a pipe was asked for
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def serve(route: web.RouteDef) -> None:
    """Serve on a free port, whose address is printed, until the process is stopped."""
    app = web.Application()
    app.add_routes([route])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("http://{}:{}".format(*runner.addresses[0][:2]), flush=True)
    await asyncio.Event().wait()


def peak_mib() -> float:
    """Return the peak memory of this process, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
