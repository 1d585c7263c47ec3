"""Resets of open workflows to before the first workflow task that one release has completed.

A release that was rolled back may have led workflows along a path that no other release takes. From the reset on, they
are carried out anew by the release that gets their work. What moves money is repeated under the same identity: the
owner of a bet's rows is the first run of its workflow, which a reset does not change.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from temporalio.api.common.v1 import WorkflowExecution as Named
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

from betcore.temporal import executions, histories
from betcore.temporal.releases import DEPLOYMENT
from betcore.temporal.visibility import BET_STATUS


@dataclass(frozen=True, slots=True)
class ResetPoint:
    """An open workflow, and the workflow task from which on it is to be carried out anew.

    ``events`` of its history lie behind that task. Its messages among them are delivered again.
    """

    workflow_id: str
    run_id: str
    workflow: str
    status: str | None
    event_id: int
    events: int


async def led_by(client: Client, build_id: str, most: int) -> AsyncIterator[ResetPoint]:
    """Yield the open workflows in which a release has completed a workflow task, at most this number."""
    used = f"TemporalUsedWorkerDeploymentVersions = '{DEPLOYMENT}:{build_id}' OR BuildIds = 'unversioned:{build_id}'"
    query = f"ExecutionStatus = 'Running' AND ({used})"
    async for found in executions.listed(client, query, most):
        history = await histories.history_of(client, found)
        first = history and _first_task(history.events, build_id)
        if history and first:
            status = found.typed_search_attributes.get(BET_STATUS)
            events = len(history.events) - first
            yield ResetPoint(found.id, found.run_id, found.workflow_type, status, first, events)


def _first_task(events: Sequence[HistoryEvent], build_id: str) -> int | None:
    """Return the event in which a release has completed its first workflow task; None if it has not in this run."""
    for event in events:
        # Workers without a version name their release here too, and in no other place.
        led_by = event.workflow_task_completed_event_attributes.worker_version.build_id
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED and led_by == build_id:
            return event.event_id
    return None


async def reset(client: Client, point: ResetPoint, operator: str, reason: str) -> None:
    """Have Temporal carry a workflow out anew from this point on; signals and updates behind it are delivered again.

    To ask for the same reset twice does no harm. Raises RPCError, NOT_FOUND if the workflow has ended.
    """
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=Named(workflow_id=point.workflow_id, run_id=point.run_id),
            reason=f"{operator}: {reason}",
            workflow_task_finish_event_id=point.event_id,
            request_id=f"{point.run_id}:{point.event_id}",
            identity=operator,
        )
    )
