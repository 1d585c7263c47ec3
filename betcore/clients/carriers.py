"""Questions to Temporal about the workflows that carry bets.

Its list lags behind by seconds: it finds candidates, the workflow itself says whether it runs.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from betcore.visibility import BET_STATUS, CASINO, NEEDS_ATTENTION

_RUNNING = "ExecutionStatus = 'Running'"
# Why a workflow is in trouble, and the query that finds those.
TROUBLES = {
    "failing": f"{_RUNNING} AND TemporalReportedProblems IS NOT NULL",
    "overdue": f"{_RUNNING} AND SettleBy < '{{now}}'",
    "attention": f"{_RUNNING} AND NeedsAttention = true",
}


@dataclass(frozen=True, slots=True)
class Pending:
    """An activity that is under way or waits for its next attempt."""

    what: str
    attempt: int
    state: str
    last_failure: str | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a workflow stands in Temporal; ``task_attempt`` is above 1 where its workflow tasks fail."""

    workflow_id: str
    status: str
    bet_status: str | None
    needs_attention: bool
    task_attempt: int
    pending: Sequence[Pending]


async def running(client: Client, workflow_ids: Sequence[str]) -> set[str]:
    """Which of these workflows run, by Temporal's list; at most a hundred at a time."""
    named = ", ".join(f"'{workflow_id}'" for workflow_id in workflow_ids)
    query = f"{_RUNNING} AND WorkflowId IN ({named})"
    return {found.id async for found in client.list_workflows(query, page_size=len(workflow_ids))}


async def runs(client: Client, workflow_id: str) -> bool:
    """Whether a workflow runs, by its own word."""
    found = await standing(client, workflow_id)
    return found is not None and found.status == WorkflowExecutionStatus.RUNNING.name


async def standing(client: Client, workflow_id: str) -> Standing | None:
    """How a workflow stands; None where Temporal does not know it."""
    try:
        found = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    raw, told = found.raw_description, found.typed_search_attributes
    return Standing(
        workflow_id,
        found.status.name if found.status else "UNKNOWN",
        told.get(BET_STATUS),
        bool(told.get(NEEDS_ATTENTION)),
        raw.pending_workflow_task.attempt,
        [_pending(activity) for activity in raw.pending_activities],
    )


async def troubled(
    client: Client, trouble: str, casino: str | None = None, limit: int | None = None
) -> AsyncIterator[WorkflowExecution]:
    """Workflows in one of the ``TROUBLES``, of one casino where that is named."""
    query = TROUBLES[trouble].format(now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    if casino is not None:
        query += f" AND {CASINO.name} = '{casino}'"
    async for found in client.list_workflows(query, limit=limit):
        yield found


async def count(client: Client, trouble: str) -> int:
    """How many workflows are in a trouble."""
    query = TROUBLES[trouble].format(now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    return (await client.count_workflows(query)).count


def _pending(activity: Any) -> Pending:
    return Pending(
        activity.activity_type.name,
        activity.attempt,
        PendingActivityState.Name(activity.state).removeprefix("PENDING_ACTIVITY_STATE_").lower(),
        activity.last_failure.message or None,
        _moment(activity.scheduled_time) if activity.HasField("scheduled_time") else None,
    )


def _moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
