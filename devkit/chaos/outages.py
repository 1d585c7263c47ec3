"""What is out of reach while something is broken, and waiting for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from betcore.db.database import DatabaseError
from betcore.domain.errors import Unavailable
from devkit.stack.errors import SandboxRefused, StartFailed

OUTAGES = (Unavailable, SandboxRefused, DatabaseError, OSError, TimeoutError, StartFailed)
# Longer than a killed server takes to come back.
_PATIENCE = 60.0
T = TypeVar("T")


async def once_available(work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` again until what it needs is there. Raises its last failure after a while."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            return await work()
        except OUTAGES:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(0.5)
