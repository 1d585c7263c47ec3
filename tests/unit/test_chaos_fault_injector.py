"""Which process is hit, and that faults which overlap do not mend each other."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from devkit.chaos import fault_injector
from devkit.chaos.fault_injector import FaultInjector
from devkit.chaos.proxy import Link
from devkit.chaos.schedule import Fault
from devkit.chaos.wiring import Wiring
from devkit.stack import orphans


def _injector(folder: Path, wiring: Wiring | None = None) -> FaultInjector:
    (folder / "run").mkdir()
    return FaultInjector(folder, wiring or Wiring(), None, None, [], [], None)  # type: ignore[arg-type]


async def _sleeper() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")


async def test_the_process_of_the_pid_file_is_killed(tmp_path: Path) -> None:
    injector, process = _injector(tmp_path), await _sleeper()
    orphans.record(tmp_path / "run" / "api.pid", process.pid, signal.SIGTERM)
    broken = await injector.inject(Fault(0, "kill api", 0))
    assert broken is not None
    assert broken.target == "api"
    assert await process.wait() == -signal.SIGKILL


async def test_a_stranger_with_the_pid_of_a_dead_process_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault_injector, "_BACK_WITHIN", 0.2)
    injector, stranger = _injector(tmp_path), await _sleeper()
    (tmp_path / "run" / "api.pid").write_text(f"{stranger.pid} 15 another-boot/1")
    try:
        assert await injector.inject(Fault(0, "kill api", 0)) is None
        assert stranger.returncode is None
        os.kill(stranger.pid, 0)
        assert len(injector.not_back) == 1
    finally:
        stranger.kill()
        await stranger.wait()


async def test_a_frozen_process_goes_on_when_the_run_is_cancelled(tmp_path: Path) -> None:
    injector, process = _injector(tmp_path), await _sleeper()
    orphans.record(tmp_path / "run" / "api.pid", process.pid, signal.SIGTERM)
    freezing = asyncio.create_task(injector.inject(Fault(0, "freeze api", 60)))

    def state() -> str:
        return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    try:
        async with asyncio.timeout(10):
            while state() != "T":
                await asyncio.sleep(0.01)
            freezing.cancel()
            while state() == "T":
                await asyncio.sleep(0.01)
    finally:
        process.kill()
        await process.wait()


async def test_the_end_of_one_fault_leaves_the_other_one_of_the_link(tmp_path: Path) -> None:
    wiring = Wiring()
    link = wiring.links["api-postgres"] = Link("api-postgres", "127.0.0.1", 1)
    injector = _injector(tmp_path, wiring)
    short = asyncio.create_task(injector.inject(Fault(0, "api-postgres reset", 0.1)))
    await asyncio.sleep(0)
    long = asyncio.create_task(injector.inject(Fault(0, "api-postgres delay", 60, {"seconds": 0.5})))
    await short
    assert link.current is not None
    assert link.current.kind == "delay"
    long.cancel()
    await asyncio.wait([long])
    assert link.current is None
