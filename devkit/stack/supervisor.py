"""Starts processes in order, keeps them alive, and stops them in the opposite order."""

import asyncio
import sys
import time
from itertools import groupby

from devkit.stack import orphans
from devkit.stack.folder import Folder
from devkit.stack.process import Child, Service


class Supervisor:
    """The processes of one data folder, which must be locked. Leaving the ``async with`` block stops them."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._children: list[Child] = []
        self._hurry = asyncio.Event()

    async def __aenter__(self) -> "Supervisor":
        for name in await orphans.end_all(self.folder.pids):
            self.say(f"ended {name}, which an earlier stack left behind")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def say(self, message: str) -> None:
        """Write a line for the developer: on standard error and in the stack's own log."""
        line = f"{time.strftime('%T')} {message}\n"
        sys.stderr.write(line)
        sys.stderr.flush()
        with self.folder.log("stack").open("a") as log:
            log.write(line)

    async def start(self, *services: Service) -> None:
        """Start these together and wait until all are ready. Raises StartFailed; what runs is stopped by ``stop``."""
        new = [Child(service, self.folder, self.say) for service in services]
        self._children += new
        starts = [asyncio.create_task(child.start()) for child in new]
        try:
            await asyncio.gather(*starts)
        finally:
            for start in starts:
                start.cancel()
            await asyncio.wait(starts)

    async def stop(self) -> None:
        """Stop all, the last started first; the workers, whose names differ in their number, together."""
        while self._children:
            _, group = next(groupby(reversed(self._children), key=_kind))
            last = list(group)
            await asyncio.gather(*(child.stop(self._hurry) for child in last))
            del self._children[-len(last) :]

    def hurry(self) -> None:
        """Kill what is still stopping."""
        self._hurry.set()

    @property
    def pids(self) -> dict[str, int]:
        """Return the pids of the running processes by name, in the order of their start."""
        return {child.service.name: child.pid for child in self._children if child.pid is not None}


def _kind(child: Child) -> str:
    return child.service.name.rstrip("-0123456789")
