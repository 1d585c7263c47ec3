"""A test that has servers of every kind and waits; tests/system/test_interrupted.py runs and interrupts it."""

import asyncio
import os
import sys
from pathlib import Path

from tests.partner import start_stack
from tests.spawned import spawned
from tests.workflows.time_skipping import skipping_server

READY = "TESTS_ARE_WAITING"


async def test_that_waits(tmp_path: Path, postgres_url: str, temporal_address: str) -> None:
    stack = start_stack(tmp_path / "stack", "--no-sandbox", "--processes", "0")
    async with stack, skipping_server():
        worker = await asyncio.create_subprocess_exec(*spawned(sys.executable, "-c", "import signal; signal.pause()"))
        await asyncio.to_thread(Path(os.environ[READY]).write_text, str(os.getpid()))
        await worker.wait()
