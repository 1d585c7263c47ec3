"""An activity of a worker that is gone: heartbeats let the workflows besides the bets go on within seconds."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payloads
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest, RespondActivityTaskCompletedRequest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from betcore.domain.ids import BETS_QUEUE, WALLET_QUEUE
from tests.in_process_casino import open_casino
from workflows.reconciliation_schedule import Reconciliations
from workflows.sweep import Sweep

LOOKS = {"resume_lost": 0, "remind_quiet": 0, "name_stuck": {"failing": 0, "overdue": 0}}
SOON = timedelta(seconds=15)


@pytest.mark.parametrize(
    ("workflow", "activities"),
    [(Sweep, LOOKS), (Reconciliations, {"start_reconciliations": 0})],
    ids=["look", "round"],
)
async def test_a_task_that_is_lost_with_its_worker_does_not_keep_the_schedule_waiting(
    temporal: Client, workflow: type, activities: dict[str, object]
) -> None:
    """A schedule starts no workflow while the one that it has started is running."""
    async with Worker(temporal, task_queue=BETS_QUEUE, workflows=[workflow]):
        handle = await temporal.start_workflow(workflow.__name__, id=f"look-{uuid4()}", task_queue=BETS_QUEUE)
        for name, result in activities.items():
            task = await _task(temporal)
            assert task.activity_type.name == name
            # How long Temporal waits for a heartbeat of the worker that took the task.
            assert timedelta() < task.heartbeat_timeout.ToTimedelta() <= SOON
            await _done(temporal, task.task_token, result)
        await handle.result()


@pytest.mark.parametrize("name", [*LOOKS, "start_reconciliations"])
async def test_long_work_sends_heartbeats(database_url: str, temporal: Client, name: str) -> None:
    beats: list[object] = []
    async with open_casino(database_url) as casino:
        activities = casino.activities(temporal)
        owner = activities.recovery if name in LOOKS else activities.reconciler
        process = ActivityEnvironment()
        process.on_heartbeat = lambda *details: beats.append(details)
        await process.run(getattr(owner, name))
    assert beats


async def _task(client: Client) -> Any:
    """Take the next activity's task, as a worker does."""
    asked = PollActivityTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=WALLET_QUEUE), identity="a worker that dies with it"
    )
    return await client.workflow_service.poll_activity_task_queue(asked, timeout=timedelta(seconds=60))


async def _done(client: Client, token: bytes, result: object) -> None:
    payloads = Payloads(payloads=await client.data_converter.encode([result]))
    await client.workflow_service.respond_activity_task_completed(
        RespondActivityTaskCompletedRequest(namespace=client.namespace, task_token=token, result=payloads)
    )
