"""``python -m betcore up`` as a user meets it: separate processes, killed and started again."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from temporalio.client import Client, ScheduleOverlapPolicy
from temporalio.service import RPCError, RPCStatusCode

from betcore.domain.ids import catalogue_workflow_id
from devkit.stack import orphans, ports
from tests import command_line
from tests.partner import eventually
from tests.serving import serving
from tests.spawned import spawned

_ROOT = Path(__file__).parents[2]
_PORTS = (
    "API",
    "API_INNER",
    "FEED",
    "FEED_INNER",
    "SANDBOX_CASINO",
    "SANDBOX_PROVIDER",
    "TEMPORAL",
    "TEMPORAL_UI",
    "DATABASE",
)
_PATIENCE = 300  # seconds


async def _begin(folder: Path, *options: str, **environment: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *spawned(sys.executable, "-m", "betcore", "up", "--json", "--data-dir", str(folder), *options),
        cwd=_ROOT,
        env={**os.environ, **{f"BETCORE_{name}_PORT": "0" for name in _PORTS}, **environment},
        stdout=PIPE,
        stderr=PIPE,
    )


@asynccontextmanager
async def _stack(folder: Path) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    process = await _begin(folder, "--no-sandbox", BETCORE_SWEEP_SECONDS="2")
    assert process.stdout
    assert process.stderr
    try:
        async with asyncio.timeout(_PATIENCE):
            line = await process.stdout.readline()
            assert line, (await process.stderr.read()).decode()
        yield process, json.loads(line)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _refused(process: Process) -> dict[str, str]:
    async with asyncio.timeout(_PATIENCE):
        printed, _ = await process.communicate()
    assert process.returncode == 1
    error: dict[str, str] = json.loads(printed)["error"]
    return error


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Path, Process, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("stack")
    async with _stack(folder) as (process, ready):
        yield folder, process, ready


async def test_the_line_has_the_address_of_everything(stack: tuple[Path, Process, dict[str, Any]]) -> None:
    _, _, ready = stack
    assert list(ready) == [
        *(
            "api",
            "api_inner",
            "feed",
            "feed_inner",
            "temporal",
            "temporal_ui",
            "database",
            "sandbox_casino",
            "sandbox_provider",
        ),
        *("counterparty_id", "secret", "partner_client_id", "session_id", "workers", "pids", "codec"),
    ]
    assert list(ready["pids"]) == ["postgres", "temporal", "worker-1", "api", "feed"]
    assert all(orphans.mark(pid) for pid in ready["pids"].values())


async def test_a_second_stack_is_kept_out_of_the_folder(stack: tuple[Path, Process, dict[str, Any]]) -> None:
    folder, process, _ = stack
    error = await _refused(await _begin(folder))
    assert error["code"] == "folder_in_use"
    assert str(folder) in error["message"]
    assert str(process.pid) in error["message"]


async def test_a_port_in_use_is_named_with_its_setting(
    stack: tuple[Path, Process, dict[str, Any]], tmp_path: Path
) -> None:
    port = stack[2]["api"].rpartition(":")[2]
    error = await _refused(await _begin(tmp_path, BETCORE_API_PORT=port))
    assert error["code"] == "port_in_use"
    assert port in error["message"]
    assert "BETCORE_API_PORT" in error["message"]
    assert not (tmp_path / "postgres").exists()


async def test_an_idle_connection_is_kept_for_longer_than_a_provider_thinks(
    stack: tuple[Path, Process, dict[str, Any]],
) -> None:
    """A call into one that is being closed would be cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(stack[2]["api"].rpartition(":")[2]))
    try:
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: api\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 7)
    finally:
        writer.close()


async def test_a_new_provider_gets_a_schedule_that_syncs_its_games(
    stack: tuple[Path, Process, dict[str, Any]],
) -> None:
    folder, _, ready = stack
    listing = web.Application()
    listing.router.add_get("/v1/games", _list_a_game)
    async with serving(listing) as url:
        added = await command_line.run(
            folder, "provider", "add", *("--name", "acme", "--base-url", url, "--json"), BETCORE_OPERATOR="ann"
        )
        name = catalogue_workflow_id(json.loads(added.stdout)["counterparty_id"])
        schedule = (await Client.connect(ready["temporal"])).get_schedule_handle(name)

        async def is_there() -> bool:
            try:
                await schedule.describe()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return False
            return True

        async def is_listed() -> bool:
            listed = await command_line.run(folder, "game", "list", "--provider", "acme", "--json")
            return '"game_id": "wheel"' in listed.stdout

        # A worker looks for new providers as often as it sweeps.
        await eventually(is_there)
        kept = (await schedule.describe()).schedule
        assert [one.every for one in kept.spec.intervals] == [timedelta(minutes=15)]
        assert kept.spec.jitter == timedelta(minutes=5)
        assert kept.policy.overlap is ScheduleOverlapPolicy.SKIP
        assert not await is_listed()
        # What the clock does in a quarter of an hour.
        await schedule.trigger()
        await eventually(is_listed)


async def _list_a_game(_: web.Request) -> web.Response:
    return web.json_response([{"gameId": "wheel", "name": "Wheel"}])


async def test_a_crashed_process_is_started_again(stack: tuple[Path, Process, dict[str, Any]]) -> None:
    _, process, ready = stack
    assert process.stderr
    os.kill(ready["pids"]["api"], signal.SIGKILL)
    async with asyncio.timeout(_PATIENCE):
        assert b"api was ended by SIGKILL; starting it again" in await process.stderr.readline()
        assert b"api is ready again" in await process.stderr.readline()
    assert ports.taken(int(ready["api"].rpartition(":")[2]))


async def test_state_survives_sigkill_of_everything_that_holds_it(tmp_path: Path) -> None:
    async with _stack(tmp_path) as (process, ready):
        database = await asyncpg.connect(ready["database"])
        await database.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        await database.close()
        client = await Client.connect(ready["temporal"])
        await client.start_workflow("Kept", id="kept", task_queue="nobody")
        for pid in (process.pid, ready["pids"]["postgres"], ready["pids"]["temporal"]):
            os.kill(pid, signal.SIGKILL)
        await process.wait()
        before = ready["pids"]

    async with _stack(tmp_path) as (process, ready):
        assert not [name for name, pid in before.items() if orphans.mark(pid)]
        database = await asyncpg.connect(ready["database"])
        assert await database.fetchval("SELECT answer FROM kept") == 42
        await database.close()
        client = await Client.connect(ready["temporal"])
        assert (await client.get_workflow_handle("kept").describe()).id == "kept"
        assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600
    assert process.returncode == 0
    assert not (tmp_path / "stack.json").exists()
    assert not [name for name, pid in ready["pids"].items() if orphans.mark(pid)]
