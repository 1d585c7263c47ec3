"""A pytest that is interrupted leaves nothing behind: no stack, no server, no worker."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, create_subprocess_exec
from pathlib import Path

import pytest

from tests.partner import ROOT, eventually
from tests.spawned import spawned
from tests.system.waiting import READY

PYTEST = ("-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", "tests/system/waiting.py")


def _of_session(session: int) -> list[int]:
    """Return the processes of a session, whatever their parents are."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(process.name)) == session and (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except (ProcessLookupError, FileNotFoundError):
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends what a killed one has left")
@pytest.mark.parametrize("interrupted", ["all of them by Ctrl-C", "one process by SIGTERM"])
async def test_an_interrupted_pytest_leaves_nothing_behind(
    migrated_cluster: None, tmp_path: Path, interrupted: str
) -> None:
    told = tmp_path / "told"
    process = await create_subprocess_exec(
        *spawned(sys.executable, *PYTEST, "--basetemp", str(tmp_path / "its")),
        cwd=ROOT,
        env={**os.environ, READY: str(told)},
        stdout=DEVNULL,
        stderr=DEVNULL,
        start_new_session=True,
        # As in a terminal, even if this test runs in the background of a shell, which ignores Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:

        async def waits() -> bool:
            assert process.returncode is None
            return await asyncio.to_thread(told.exists)

        await eventually(waits)
        assert len(_of_session(process.pid)) > 5
        if interrupted == "one process by SIGTERM":
            os.kill(int(told.read_text()), signal.SIGTERM)
        else:
            os.killpg(process.pid, signal.SIGINT)

        async def nothing_is_left() -> bool:
            return not await asyncio.to_thread(_of_session, process.pid)

        await eventually(nothing_is_left)
    finally:
        for pid in _of_session(process.pid):
            os.kill(pid, signal.SIGKILL)
        await process.wait()
