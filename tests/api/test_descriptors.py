"""A process whose callers use up its file descriptors answers those that it has, and logs one line a minute of it."""

import asyncio
import json
import os
import re
import resource
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from devkit.stack import ports
from tests.api.test_edge import connected
from tests.api.wire import Api
from tests.in_process_casino import SECRET_KEY, InProcessCasino
from tests.partner import ROOT, eventually
from tests.spawned import spawned

# Descriptors that the process may have when it starts, and that it is left with afterwards beside those in use.
AT_START, LEFT = 400, 10
CALL = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass(frozen=True)
class Place:
    """A process of its own, and its log."""

    api: Api
    process: Process
    log: Path

    def events(self) -> list[dict[str, object]]:
        """Return what the log has."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@pytest.fixture(params=["uvloop", "asyncio"])
async def place(
    request: pytest.FixtureRequest, casino: InProcessCasino, wire_database: str, tmp_path: Path
) -> AsyncIterator[Place]:
    """A feed, which needs fewer servers than an API, on each of the two event loops."""
    (port,) = ports.free(1)
    command = (sys.executable, "-m", "uvicorn", "api.feed.main:create_app", "--factory", "--port", str(port))
    # Connections that send nothing stay for as long as the test needs them.
    options = ("--http", "api.http_protocol:BoundedHttp", "--loop", request.param, "--timeout-keep-alive", "600")
    own = {
        "BETCORE_DATABASE_URL": wire_database,
        "BETCORE_SECRET_KEY": SECRET_KEY,
        "BETCORE_FEED_INNER_PORT": "0",
        "BETCORE_HTTP_CONNECTIONS": "300",
    }
    log = tmp_path / "feed.log"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *spawned("/bin/sh", "-c", f'ulimit -n {AT_START}; exec "$@"', "sh", *command, *options),
            cwd=ROOT,
            env={**os.environ, **own},
            stdout=stream,
            stderr=stream,
        )
    found = Place(Api(port), process, log)
    try:
        await eventually(lambda: _answers(found.api))
        yield found
    finally:
        process.terminate()
        await process.wait()


async def _answers(api: Api) -> bool:
    try:
        return (await api.get("/health/live")).status == 200
    except (OSError, EOFError):
        return False


@pytest.mark.edge_case(275)
async def test_a_process_without_descriptors_answers_its_callers_and_recovers(place: Place) -> None:
    [few] = [event for event in place.events() if str(event["event"]).startswith("few open files")]
    assert (few["open_files"], few["connections"]) == (AT_START, AT_START // 2)
    async with connected(place.api) as caller:
        await caller.call(CALL)
        # Something else has used the descriptors up: the limit of connections does not help any more.
        resource.prlimit(place.process.pid, resource.RLIMIT_NOFILE, (place.open_files() + LEFT, AT_START))
        async with AsyncExitStack() as idle:
            for _ in range(100):
                await idle.enter_async_context(connected(place.api))
            await eventually(lambda: _is_logged(place))
            # Long enough for thousands of lines, if each failure had one.
            for _ in range(30):
                assert (await caller.call(CALL)).startswith(b"HTTP/1.1 200 ")
                await asyncio.sleep(0.1)
        await eventually(lambda: _answers(place.api))
    told = [event for event in place.events() if re.match("no file can be opened", str(event["event"]))]
    assert len(told) == 1
    assert place.log.stat().st_size < 10_000


async def _is_logged(place: Place) -> bool:
    return any("no file can be opened" in str(event["event"]) for event in place.events())
