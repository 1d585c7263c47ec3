"""The minute's look at what nobody carries any more: rows that are open while their workflow is gone."""

from collections.abc import Sequence

import structlog
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from betcore.db.lives import Lives, OpenRow
from betcore.ids import BETS_QUEUE, TASK_TIMEOUT

_log = structlog.get_logger()
# Rows of one question to Temporal's list; its answer says for how many of them a workflow runs.
_AT_ONCE = 100


class Sweeps:
    """Compares open rows with open workflows, and resumes what is left alone."""

    def __init__(self, client: Client, lives: Lives) -> None:
        self._client = client
        self._lives = lives

    @activity.defn
    async def resume_lost(self) -> int:
        """Start a workflow for every open bet and reversal that has none; how many were started.

        Safe beside anything: the workflow that is started takes the row over by compare-and-set, or leaves.
        """
        resumed = 0
        for kind in self._lives.kinds:
            after = 0
            while rows := await self._lives.open_rows(kind, after, _AT_ONCE):
                activity.heartbeat(after)
                resumed += await self._resume(rows)
                after = rows[-1].bet_id
        return resumed

    async def _resume(self, rows: Sequence[OpenRow]) -> int:
        running = await self._listed_as_running([row.workflow_id for row in rows])
        resumed = 0
        for row in rows:
            # The list lags behind: it finds candidates, the workflow itself says whether it runs.
            if row.workflow_id not in running and not await self._runs(row.workflow_id):
                resumed += await self._start(row)
        return resumed

    async def _listed_as_running(self, workflow_ids: Sequence[str]) -> set[str]:
        named = ", ".join(f"'{workflow_id}'" for workflow_id in workflow_ids)
        query = f"ExecutionStatus = 'Running' AND WorkflowId IN ({named})"
        return {found.id async for found in self._client.list_workflows(query, page_size=_AT_ONCE)}

    async def _runs(self, workflow_id: str) -> bool:
        try:
            found = await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return found.status is WorkflowExecutionStatus.RUNNING

    async def _start(self, row: OpenRow) -> int:
        order = await self._lives.order(row)
        if order is None:
            return 0
        while True:
            try:
                await self._client.start_workflow(
                    order.workflow,
                    order.argument,
                    id=order.workflow_id,
                    task_queue=BETS_QUEUE,
                    task_timeout=TASK_TIMEOUT,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=order.attributes,
                    static_summary=order.summary,
                )
            except WorkflowAlreadyStartedError:
                if await self._runs(order.workflow_id):
                    return 0
                # A life that ended before it took the row over; the next one has another number.
                order = order.in_another_life()
            else:
                _log.warning("resumed", bet_id=row.bet_id, workflow_id=order.workflow_id)
                return 1
