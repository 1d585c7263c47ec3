"""The processes of a run: the CPU and the memory that each has used, and whether all of them still live."""

import asyncio
import os
import re
import time
from asyncio.subprocess import Process
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import suppress
from typing import TypeVar

import psutil

from bench.harness import ProcessEnded

# The process that plays the bets. Others are its children, and not counted as part of it.
DRIVER = "driver"
_LOOK_EVERY = 0.5
T = TypeVar("T")


def driver() -> dict[str, int]:
    """Return this process, as one of the processes of a target."""
    return {DRIVER: os.getpid()}


def group(name: str) -> str:
    """Return the name under which the processes of one kind are added up: worker-1 and worker-2 are ``worker``."""
    return re.sub(r"-\d+$", "", name)


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the seconds of CPU so far of each kind of process, its descendants included."""
    spent: dict[str, float] = {}
    for name, pid in pids.items():
        spent[group(name)] = spent.get(group(name), 0.0) + sum(map(_seconds, _family(name, pid)))
    return spent


def memory_mib(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the proportional set size (PSS) in MiB of each kind of process; on systems without it the unique one."""
    used: dict[str, float] = {}
    for name, pid in pids.items():
        total = sum(map(_bytes, _family(name, pid))) / 2**20
        used[group(name)] = round(used.get(group(name), 0.0) + total, 1)
    return used


def _family(name: str, pid: int) -> Iterator[psutil.Process]:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        yield process
        if name != DRIVER:
            yield from process.children(recursive=True)


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    own = times.user + times.system
    # A connection of PostgreSQL is a process: those that have ended count too.
    ended = times.children_user + times.children_system if process.pid != os.getpid() else 0.0
    return float(own + ended)


def _bytes(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(full, "pss", None) or full.uss)


class Watch:
    """Sees to it that a run stops when a process on which it depends has ended: without it the run would hang."""

    def __init__(self) -> None:
        self._children: dict[str, Process] = {}
        self._others: dict[str, psutil.Process] = {}

    def add_child(self, name: str, process: Process) -> None:
        """Watch a child of this process."""
        self._children[name] = process

    def add(self, target: str, pids: Mapping[str, int]) -> None:
        """Watch the processes of a target."""
        for name, pid in pids.items():
            self._others[f"{name} of {target}"] = psutil.Process(pid)

    def check(self) -> None:
        """Raise ProcessEnded if one of the processes has ended."""
        for name, child in self._children.items():
            if child.returncode is not None:
                raise ProcessEnded(f"{name} has ended with status {child.returncode}")
        for name, process in self._others.items():
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                raise ProcessEnded(f"{name} has ended")

    async def within(self, seconds: float, work: Coroutine[object, object, T]) -> T:
        """Return what the work returns. Raise ProcessEnded if a process ends meanwhile, or at the deadline."""
        task, until = asyncio.create_task(work), time.monotonic() + seconds
        try:
            while not task.done():
                await asyncio.wait([task], timeout=_LOOK_EVERY)
                if not task.done():
                    self.check()
                    if time.monotonic() > until:
                        raise ProcessEnded(f"no end in {seconds:.0f} s, although all processes live")
        finally:
            task.cancel()
            await asyncio.wait([task])
        return task.result()
