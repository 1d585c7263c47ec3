"""The worker process of a floor on Temporal, which polls and works as the service's own does."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, TypedDict

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import DataConverter

from betcore.domain.ids import TASK_TIMEOUT
from betcore.runtime.settings import Settings
from betcore.temporal.client import connect
from worker import workflow_worker

# What a floor sends: the SDK's converter hands it on without a look at it.
Facts = dict[str, Any]


class StartOptions(TypedDict):
    """How a floor starts its workflows: as the service does."""

    id_conflict_policy: WorkflowIDConflictPolicy
    id_reuse_policy: WorkflowIDReusePolicy
    task_timeout: timedelta


START_OPTIONS: StartOptions = {
    "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
    "id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE,
    "task_timeout": TASK_TIMEOUT,
}


async def connect_to(settings: Settings) -> Client:
    """Return a client that is connected as the service is. A floor has no messages of ours: its converter is the
    SDK's own."""
    options = (await connect(settings)).config()
    options["data_converter"] = DataConverter.default
    return Client(**options)


async def run_worker(queue: str, workflow: type, activities: Sequence[Callable[..., Awaitable[object]]] = ()) -> None:
    """Run a worker on a queue until the process is stopped; print a line when it polls."""
    settings = Settings()
    client = await connect_to(settings)
    async with workflow_worker(client, settings, task_queue=queue, workflows=[workflow], activities=activities):
        print("ready", flush=True)
        await asyncio.Event().wait()
