"""How Temporal hears that the process of a long activity lives, and how soon it misses one that does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity

_EVERY = timedelta(seconds=2)
# A task may also be lost on its way to a worker that stops. It begins anew after this.
MISSED_AFTER = timedelta(seconds=15)


@asynccontextmanager
async def heartbeat() -> AsyncIterator[None]:
    """Tell Temporal inside the block that this process lives, however long others take to answer it."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(_EVERY.total_seconds())

    beats = asyncio.create_task(beat())
    try:
        yield
    finally:
        beats.cancel()
