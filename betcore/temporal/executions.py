"""Workflow executions of bets, reversals and cashbacks, as Temporal lists and describes them.

The list lags behind by seconds: it finds candidates, and the description of an execution says whether it is open.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from temporalio.api.common.v1 import WorkflowExecution as Named
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo, WorkflowExecutionVersioningInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client, WorkflowExecution
from temporalio.converter import WorkflowSerializationContext, decode_typed_search_attributes
from temporalio.exceptions import FailureError
from temporalio.service import RPCError, RPCStatusCode

from betcore.domain.open_bets import OpenBet
from betcore.temporal.pace import Pace
from betcore.temporal.visibility import BET_STATUS, CASINO, NEEDS_ATTENTION, SETTLE_BY

_log = structlog.get_logger()
_RUNNING = "ExecutionStatus = 'Running'"
_MOVING_MONEY = f"{_RUNNING} AND WorkflowType IN ('Bet', 'Reversal', 'Cashback')"
# Why a workflow is stuck, and the query for it. Reversals are never overdue: they have the SettleBy of their bets.
STUCK = {
    "failing": f"{_MOVING_MONEY} AND TemporalReportedProblems IS NOT NULL",
    "attention": f"{_MOVING_MONEY} AND NeedsAttention = true",
    "overdue": f"{_RUNNING} AND WorkflowType = 'Bet' AND SettleBy < '{{now}}'",
}
# Of a server's ten queries a second (``frontend.namespaceRPS.visibility``) most are left to operators and to others.
_LISTS = Pace(4, burst=8)
# The embedded server has one connection to its database: while it reads a page of thousands of running workflows, which
# takes it some 50 ms, no bet gets on.
_WHOLE = Pace(2, burst=2)
# One look at a workflow costs the server far less than a query.
_LOOKS = Pace(100, burst=100)
# A query reads all running workflows, however few it names: so few are looked at one by one.
_FEW = 50
# Workflows that one query names, and the most that the server returns on one page.
_NAMED, _ON_A_PAGE = 500, 1000
# The server has escapes of its own for quotes and backslashes in a value: only other values stand in a query.
_PLAIN = re.compile(r"[\w .:-]+", re.ASCII)
# Of consecutive failures of workflow tasks, the history has the first one; few events can follow it.
_LAST_EVENTS = 20


@dataclass(frozen=True, slots=True)
class PendingActivity:
    """An activity that is running or waits for its next attempt."""

    what: str
    attempt: int
    state: str
    last_failure: str | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Description:
    """A workflow as Temporal describes it; ``task_attempt`` is above 1 if its workflow tasks fail.

    ``release`` gets its workflow tasks; None if its workers have no version.
    """

    workflow_id: str
    run_id: str
    status: str
    bet_status: str | None
    needs_attention: bool
    casino: str | None
    started_at: datetime
    settle_by: datetime | None
    task_attempt: int
    task_failure: str | None
    release: str | None
    pending: Sequence[PendingActivity]

    @property
    def next_at(self) -> datetime | None:
        """Return when the next attempt of an activity starts; None if one is running, or there is no activity."""
        return min((one.next_at for one in self.pending if one.next_at), default=None)


async def running(client: Client, most: int) -> set[str]:
    """Return the ids of the workflows that move money and run, by Temporal's list: about ``most``, the newest.

    Return those that were read by then if the list does not answer.
    """
    ids: set[str] = set()
    try:
        async for page in _pages(client, _MOVING_MONEY, _ON_A_PAGE):
            ids.update(found.id for found in page)
            if len(ids) >= most:
                break
    except RPCError as error:
        _log.warning("Temporal's list does not answer", error=str(error))
    return ids


async def without_execution(client: Client, rows: Sequence[OpenBet]) -> list[OpenBet]:
    """Return those of some open rows whose workflow is not open."""
    known: set[str] = set()
    if len(rows) > _FEW:
        for first in range(0, len(rows), _NAMED):
            known |= await _running_of(client, [row.workflow_id for row in rows[first : first + _NAMED]])
    alone = []
    for row in rows:
        if row.workflow_id not in known:
            await _LOOKS.turn()
            if not await is_open(client, row.workflow_id):
                alone.append(row)
    return alone


async def _running_of(client: Client, workflow_ids: Sequence[str]) -> set[str]:
    """Return which of these workflows run, by Temporal's list; none of them if the list does not answer."""
    named = ", ".join(f"'{workflow_id}'" for workflow_id in workflow_ids)
    query = f"{_RUNNING} AND WorkflowId IN ({named})"
    await _LISTS.turn()
    try:
        return {found.id async for found in client.list_workflows(query, page_size=len(workflow_ids))}
    except RPCError as error:
        _log.warning("Temporal's list does not answer", error=str(error))
        return set()


async def is_open(client: Client, workflow_id: str) -> bool:
    """Return whether a workflow is open: it runs, or an operator has paused it."""
    found = await _response(client, workflow_id)
    status = found and found.workflow_execution_info.status
    return status in (Status.WORKFLOW_EXECUTION_STATUS_RUNNING, Status.WORKFLOW_EXECUTION_STATUS_PAUSED)


async def describe(client: Client, workflow_id: str) -> Description | None:
    """Return the description of a workflow; None if Temporal does not know it."""
    found = await _response(client, workflow_id)
    if found is None:
        return None
    info, attempt = found.workflow_execution_info, found.pending_workflow_task.attempt
    attributes = decode_typed_search_attributes(info.search_attributes)
    return Description(
        workflow_id=workflow_id,
        run_id=info.execution.run_id,
        status=Status.Name(info.status).removeprefix("WORKFLOW_EXECUTION_STATUS_"),
        bet_status=attributes.get(BET_STATUS),
        needs_attention=bool(attributes.get(NEEDS_ATTENTION)),
        casino=attributes.get(CASINO),
        started_at=info.start_time.ToDatetime(tzinfo=UTC),
        settle_by=attributes.get(SETTLE_BY),
        task_attempt=attempt,
        task_failure=await _task_failure(client, info.execution) if attempt > 1 else None,
        release=_release(info.versioning_info),
        pending=[await _pending(client, workflow_id, activity) for activity in found.pending_activities],
    )


def _release(versioning: WorkflowExecutionVersioningInfo) -> str | None:
    """Return the release that gets a workflow's tasks: while it moves to another one, that one."""
    to = versioning.version_transition.deployment_version.build_id
    return to or versioning.deployment_version.build_id or None


async def find_stuck(
    client: Client, why: str, casino: str | None = None, limit: int | None = None
) -> AsyncIterator[WorkflowExecution]:
    """Yield the workflows of bets, reversals and cashbacks that are ``STUCK`` in this way, of one casino if that is
    named."""
    query, left = _query(why), limit
    if casino is not None and _PLAIN.fullmatch(casino):
        query += f" AND {CASINO.name} = '{casino}'"
    await _LISTS.turn()
    async for found in client.list_workflows(query):
        if casino in (None, found.typed_search_attributes.get(CASINO)):
            yield found
            left = left and left - 1
            if left == 0:
                break


async def started_before(client: Client, moment: datetime, page: int) -> AsyncIterator[Sequence[WorkflowExecution]]:
    """Yield the bets' workflows that run and were started before a moment, ``page`` at a time, the newest first."""
    query = f"{_RUNNING} AND WorkflowType = 'Bet' AND StartTime < '{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"
    async for found in _pages(client, query, page):
        yield found


async def _pages(client: Client, query: str, size: int) -> AsyncIterator[Sequence[WorkflowExecution]]:
    found = client.list_workflows(query, page_size=size)
    more = True
    while more:
        await _WHOLE.turn()
        await found.fetch_next_page()
        if found.current_page:
            yield found.current_page
        more = bool(found.next_page_token)


async def listed(client: Client, query: str, most: int) -> AsyncIterator[WorkflowExecution]:
    """Yield what a query finds, at most this number, the newest first."""
    await _LISTS.turn()
    async for found in client.list_workflows(query, limit=most, page_size=min(most, _ON_A_PAGE)):
        yield found


async def count(client: Client, query: str) -> int:
    """Return how many workflows a query finds."""
    await _LISTS.turn()
    return (await client.count_workflows(query)).count


async def count_stuck(client: Client, why: str) -> int:
    """Return how many workflows are stuck in this way."""
    return await count(client, _query(why))


def _query(why: str) -> str:
    return STUCK[why].format(now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


async def _response(client: Client, workflow_id: str) -> DescribeWorkflowExecutionResponse | None:
    """Return what the server describes; None if it does not know the workflow.

    ``WorkflowHandle.describe`` of the SDK fails for a workflow that is paused.
    """
    request = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=Named(workflow_id=workflow_id))
    try:
        return await client.workflow_service.describe_workflow_execution(request, retry=True)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def _task_failure(client: Client, execution: Named) -> str | None:
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace, execution=execution, maximum_page_size=_LAST_EVENTS
    )
    found = await client.workflow_service.get_workflow_execution_history_reverse(request, retry=True)
    for event in found.history.events:
        if event.HasField("workflow_task_timed_out_event_attributes"):
            return "timed out"
        if event.HasField("workflow_task_failed_event_attributes"):
            return await _message_of(client, execution.workflow_id, event.workflow_task_failed_event_attributes.failure)
    return None


async def _pending(client: Client, workflow_id: str, activity: PendingActivityInfo) -> PendingActivity:
    scheduled = activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    return PendingActivity(
        activity.activity_type.name,
        activity.attempt,
        PendingActivityState.Name(activity.state).removeprefix("PENDING_ACTIVITY_STATE_").lower(),
        await _message_of(client, workflow_id, activity.last_failure) if activity.HasField("last_failure") else None,
        activity.scheduled_time.ToDatetime(tzinfo=UTC) if scheduled else None,
    )


async def _message_of(client: Client, workflow_id: str, failure: Failure) -> str:
    """Return a failure's message, which may have been encrypted for its workflow."""
    context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=workflow_id)
    error = await client.data_converter.with_context(context).decode_failure(failure)
    return error.message if isinstance(error, FailureError) else str(error)
