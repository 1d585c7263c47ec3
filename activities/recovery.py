"""Recovery, once a minute: open rows whose workflow is gone, workflows that missed a message, bets that are stuck."""

import math
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic

import prometheus_client
import structlog
from temporalio import activity
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from activities.heartbeat import heartbeat
from betcore.db.open_bets import OpenBets
from betcore.db.row_mapping import UnreadableRow
from betcore.domain.ids import BETS_QUEUE, TASK_TIMEOUT, BetKey, parse_workflow_id
from betcore.domain.open_bets import OpenBet
from betcore.temporal import executions, visibility

_log = structlog.get_logger()
# Rows in one query to Temporal's list, which answers for how many of them a workflow runs.
_AT_ONCE = 100
# Running workflows on one page of the list.
_LISTED = 1000
# Stuck bets of each kind that are named in the log; the metrics count all.
_NAMED = 20
# A bet with a casino that does not answer is quiet for longer: it is reminded in vain, which does no harm.
_QUIET_FOR = timedelta(minutes=2)
_SOON = timedelta(seconds=2)
# Characters of an error that the log shows.
_LONGEST_ERROR = 300
# Seconds for which a process exports its counts: after that another process may have newer ones.
_EXPORTED_FOR = 180
STUCK = prometheus_client.Gauge(
    "betcore_stuck", "Bets by why they are stuck, at the last check that this process made", ["why"]
)


class Recovery:
    """Compares open rows with open workflows, resumes what has lost its workflow, and counts what is stuck."""

    def __init__(self, client: Client, open_bets: OpenBets) -> None:
        self._client = client
        self._open_bets = open_bets

    @activity.defn(name="resume_lost")
    async def resume_lost(self) -> int:
        """Start a workflow for every open bet and reversal that has none; return how many were started.

        This is safe at any time: the new workflow takes the row over by compare-and-set, or ends. A row that cannot be
        read is logged and passed over: else it would keep all rows behind it from being resumed.
        """
        resumed = unreadable = 0
        async with heartbeat():
            for kind in self._open_bets.kinds:
                after = 0
                while rows := await self._open_bets.open_rows(kind, after, _AT_ONCE):
                    for row in await executions.without_execution(self._client, rows):
                        try:
                            resumed += await self._start(row)
                        except UnreadableRow as error:
                            unreadable += 1
                            _log.error("unreadable", workflow_id=row.workflow_id, error=str(error)[:_LONGEST_ERROR])
                    after = rows[-1].bet_id
        _export("resumed", resumed)
        _export("unreadable", unreadable)
        return resumed

    @activity.defn(name="remind_quiet")
    async def remind_quiet(self) -> int:
        """Have bets read their rows again whose workflows may have missed a message; return how many did."""
        async with heartbeat():
            return await self.remind(_QUIET_FOR)

    async def remind(self, quiet: timedelta) -> int:
        """Remind bets without an event for ``quiet``: those that owe money, and those whose row has ended although the
        workflow runs. A workflow that is busy rejects the update, which leaves no trace in its history."""
        reminded = 0
        for row in await self._open_bets.quiet(quiet, _AT_ONCE):
            reminded += await self._remind(row)
        async for ids in executions.started_before(self._client, quiet, _LISTED):
            for row in await self._open_bets.ended(_bets_of(ids), quiet):
                reminded += await self._remind(row)
        return reminded

    async def _remind(self, row: OpenBet) -> int:
        try:
            await self._client.get_workflow_handle(row.workflow_id).execute_update("recheck", rpc_timeout=_SOON)
        except (WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError, RPCError):
            # It is busy, or has ended, or has no workflow: the next check sees how it stands then.
            return 0
        _log.warning("reminded", bet_id=row.bet_id, workflow_id=row.workflow_id)
        return 1

    @activity.defn(name="name_stuck")
    async def name_stuck(self) -> dict[str, int]:
        """Return how many bets have failing workflow tasks, and how many are overdue; the first ones are logged."""
        counts = {}
        async with heartbeat():
            for why in ("failing", "overdue"):
                counts[why] = await executions.count_stuck(self._client, why)
                _export(why, counts[why])
                async for found in executions.find_stuck(self._client, why, limit=_NAMED):
                    _log.warning("stuck", why=why, workflow_id=found.id)
        return counts

    async def _start(self, row: OpenBet) -> int:
        resumption = await self._open_bets.resumption(row)
        if resumption is None:
            return 0
        while True:
            try:
                await self._client.start_workflow(
                    resumption.workflow,
                    resumption.argument,
                    id=resumption.workflow_id,
                    task_queue=BETS_QUEUE,
                    task_timeout=TASK_TIMEOUT,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=visibility.of_resumption(resumption),
                    static_summary=visibility.summary_of_resumption(resumption),
                )
            except WorkflowAlreadyStartedError:
                if await executions.is_open(self._client, resumption.workflow_id):
                    return 0
                # That workflow ended before it took the row over: the next one gets another id.
                resumption = resumption.in_the_next_life()
            else:
                _log.warning("resumed", bet_id=row.bet_id, workflow_id=resumption.workflow_id)
                return 1


def _bets_of(workflow_ids: Sequence[str]) -> list[BetKey | int]:
    """Return the bets of workflows. An id that names none is passed over: a person has started that workflow."""
    bets: list[BetKey | int] = []
    for workflow_id in workflow_ids:
        try:
            bets.append(parse_workflow_id(workflow_id))
        except ValueError:
            _log.error("carries no bet", workflow_id=workflow_id)
    return bets


def _export(why: str, number: int) -> None:
    until = monotonic() + _EXPORTED_FOR
    STUCK.labels(why).set_function(lambda: number if monotonic() < until else math.nan)
