"""Histories of open workflows: a sample of every kind, for a release that has to go on with them."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from temporalio.client import Client, WorkflowExecution, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from betcore.temporal import executions
from betcore.temporal.visibility import BET_STATUS


class Kind(NamedTuple):
    """A type of workflow and, if it moves money, where it stands: other places are other paths through the code."""

    workflow: str
    status: str | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, self))

    @property
    def query(self) -> str:
        """Return the query for open workflows of this kind."""
        status = f" AND {BET_STATUS.name} = '{self.status}'" if self.status else ""
        return f"ExecutionStatus = 'Running' AND WorkflowType = '{self.workflow}'{status}"


_STATUSES = {
    "Bet": ("open", "unknown", "owed", "parked", "in_review", "overdue", "closing"),
    "Reversal": ("reversing", "unknown", "owed", "parked", "closing", "reopening"),
    "Cashback": ("issuing", "cancelling", "unknown", "owed", "parked"),
}


def kinds(workflow: str) -> list[Kind]:
    """Return the kinds of a type of workflow."""
    return [Kind(workflow, status) for status in _STATUSES.get(workflow, (None,))]


async def open_ones(client: Client, kind: Kind, most: int) -> AsyncIterator[WorkflowHistory]:
    """Yield the histories of the newest open workflows of a kind, at most this number."""
    async for found in executions.listed(client, kind.query, most):
        history = await history_of(client, found)
        if history is not None:
            yield history


async def history_of(client: Client, execution: WorkflowExecution) -> WorkflowHistory | None:
    """Return a workflow's history; None if Temporal has deleted it since it was listed."""
    try:
        return await client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
