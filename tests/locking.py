"""Locks between the processes of a run."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def locked(path: Path, *, shared: bool = False) -> AsyncIterator[None]:
    """Hold the lock that this file stands for: alone, or beside other processes that share it."""
    with path.open("a") as stream:
        await asyncio.to_thread(fcntl.flock, stream, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
