"""The sandbox casino as a process: it starts from the environment, and stops at SIGTERM."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from aiohttp import ClientSession

ROOT = Path(__file__).parents[2]


async def _start(folder: Path, **environment: str) -> Process:
    given = {"PATH": os.environ["PATH"], "BETCORE_DATA_DIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    command = (sys.executable, "-m", "devkit.sandbox.casino")
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=given, stderr=PIPE)


async def test_it_serves_until_sigterm(database_url: str, tmp_path: Path) -> None:
    process = await _start(tmp_path, BETCORE_DATABASE_URL=database_url, BETCORE_SANDBOX_CASINO_PORT="0")
    assert process.stderr is not None
    try:
        line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
        listens = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert listens, line
        async with ClientSession() as http, http.get(f"{listens[0]}/_health") as answer:
            assert await answer.json() == {"status": "ok"}
        process.send_signal(signal.SIGTERM)
        _, rest = await asyncio.wait_for(process.communicate(), 30)
        assert (process.returncode, b"Traceback" in rest) == (0, False), rest
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_port_in_use_is_a_clear_error(database_url: str, tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = str(server.sockets[0].getsockname()[1])
        process = await _start(tmp_path, BETCORE_DATABASE_URL=database_url, BETCORE_SANDBOX_CASINO_PORT=port)
        _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert port.encode() in errors
    assert b"Traceback" not in errors


async def test_without_a_database_it_says_so(tmp_path: Path) -> None:
    process = await _start(tmp_path)
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert b"BETCORE_DATABASE_URL" in errors
