"""Heartbeats of long activities: Temporal starts such an activity again soon after its process has died."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from betcore.domain.errors import Code

_EVERY = timedelta(seconds=2)
# A task may also get lost on its way to a worker that stops. Temporal starts it again after this time.
MISSED_AFTER = timedelta(seconds=15)


@asynccontextmanager
async def heartbeat() -> AsyncIterator[None]:
    """Send heartbeats to Temporal inside the block, however long a casino or a database takes to answer."""

    async def send() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(_EVERY.total_seconds())

    heartbeats = asyncio.create_task(send())
    try:
        yield
    finally:
        heartbeats.cancel()


def raise_if_worker_stops() -> None:
    """Raise ApplicationError, to be retried by another worker, if this one is being stopped."""
    if activity.is_worker_shutdown():
        raise ApplicationError(
            "the worker is being stopped",
            type=Code.OUTCOME_UNKNOWN,
            next_retry_delay=timedelta(milliseconds=1),
            category=ApplicationErrorCategory.BENIGN,
        )
