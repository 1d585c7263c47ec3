"""What the tests of whole stacks share. A test that stops servers starts a stack of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest

from betcore.temporal.schedules import CASHBACKS, SWEEP
from devkit.stack import ports
from tests.partner import ROOT, Stack, TestPartner, eventually, start_stack
from tests.spawned import spawned
from tests.trace_receiver import TraceReceiver, receiving_traces


@pytest.fixture(scope="session")
async def trace_receiver() -> AsyncIterator[TraceReceiver]:
    """A collector of the traces of ``own_stack``."""
    async with receiving_traces() as receiver:
        yield receiver


@pytest.fixture(scope="session")
async def own_stack(
    migrated_cluster: None, tmp_path_factory: pytest.TempPathFactory, trace_receiver: TraceReceiver
) -> AsyncIterator[Stack]:
    """A stack of this process alone: its only worker and its API may be killed, its tables locked. Nothing sweeps.

    Traces are on, so that all that is tested here is tested with them.
    """
    folder = tmp_path_factory.mktemp("own-stack")
    given = {"BETCORE_SWEEP_SECONDS": "2", "BETCORE_TRACES_ENDPOINT": trace_receiver.url}
    async with start_stack(folder, "--processes", "1", **given) as running:
        for schedule in (SWEEP, CASHBACKS):
            await running.client.get_schedule_handle(schedule).pause()
        yield running


@pytest.fixture(scope="module")
async def sweeping(own_stack: Stack) -> AsyncIterator[Stack]:
    """The stack of this process alone, with a sweep that comes round often."""
    schedule = own_stack.client.get_schedule_handle(SWEEP)
    await schedule.unpause()
    yield own_stack
    # A sweep every two seconds takes a tenth of a core, which the tests of other modules can use.
    await schedule.pause()


@pytest.fixture
async def partner(stack: Stack) -> TestPartner:
    """A partner whose provider waits long, with defaults else; limits of 0.10 and 500."""
    return await stack.partner(min_bet="0.10", max_bet="500")


@pytest.fixture(scope="session")
async def second_api(own_stack: Stack) -> AsyncIterator[str]:
    """Another API process on the stack of this process alone."""
    (port,) = ports.free(1)
    with (own_stack.folder / "second-api.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *spawned(sys.executable, "-m", "uvicorn", "api.main:create_app", "--factory", "--port", str(port)),
            *("--http", "api.http_protocol:BoundedHttp"),
            cwd=ROOT,
            env={**os.environ, "BETCORE_DATA_DIR": str(own_stack.folder), "BETCORE_API_INNER_PORT": "0"},
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"

    async def ready() -> bool:
        assert process.returncode is None
        try:
            async with own_stack.http.get(f"{url}/health/live") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    try:
        await eventually(ready, 60)
        yield url
    finally:
        process.terminate()
        await process.wait()
