"""Workflow tasks that an earlier Temporal server has left in any partition of a task queue."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from devkit.stack import temporal
from tests.partner import eventually

_FOUR = ("matching.numTaskqueueReadPartitions=4", "matching.numTaskqueueWritePartitions=4")
_NAMES = [f"left-{number}" for number in range(16)]


@workflow.defn(name="AtOnce", sandboxed=False)
class AtOnce:
    @workflow.run
    async def run(self) -> str:
        """Return at once."""
        return "done"


def left_in_partitions(folder: Path) -> list[int]:
    """Return how many tasks the server of a folder has left in each partition that has any."""
    with closing(sqlite3.connect(folder / "temporal.db")) as database:
        return [count for (count,) in database.execute("SELECT count(*) FROM tasks_v2 GROUP BY range_hash")]


async def test_tasks_left_in_four_partitions_are_served(tmp_path: Path) -> None:
    """A bet would wait forever if its first task was left in a partition that is not read any more."""
    async with temporal.running(tmp_path, dynamic_config=_FOUR) as address:
        client = await Client.connect(address)
        await asyncio.gather(*(client.start_workflow(AtOnce.run, id=name, task_queue="left") for name in _NAMES))

        async def all_left() -> bool:
            return sum(left_in_partitions(tmp_path)) == len(_NAMES)

        await eventually(all_left)
    assert len(left_in_partitions(tmp_path)) > 1
    async with temporal.running(tmp_path) as address:
        client = await Client.connect(address)
        async with Worker(client, task_queue="left", workflows=[AtOnce], workflow_runner=UnsandboxedWorkflowRunner()):
            done = asyncio.gather(*(client.get_workflow_handle(name).result() for name in _NAMES))
            assert await asyncio.wait_for(done, 60) == ["done"] * len(_NAMES)
