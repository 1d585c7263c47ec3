"""The minute's look: rows that are open while their workflow is gone, and bets that do not come on by themselves."""

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
from betcore.db.open_bets import OpenBets, OpenRow
from betcore.db.row_mapping import UnreadableRow
from betcore.domain.ids import BETS_QUEUE, TASK_TIMEOUT, BetKey, parse_carrier
from betcore.temporal import executions

_log = structlog.get_logger()
# Rows of one question to Temporal's list; its answer says for how many of them a workflow runs.
_AT_ONCE = 100
# Workflows on a page of the list of those that run.
_LISTED = 1000
# Bets of each kind that one look names in the log; the numbers are of all.
_NAMED = 20
# What is paid at a casino that does not answer is heard of less often; it is asked in vain, which does no harm.
_QUIET_FOR = timedelta(minutes=2)
_SOON = timedelta(seconds=2)
# Characters of an error that the log shows.
_SAID = 300
# Seconds for which a process tells what it has seen: another one may make the looks that follow.
_TOLD_FOR = 180
STUCK = prometheus_client.Gauge("betcore_stuck", "Bets at the minute's look that this process made last", ["why"])


class Recovery:
    """Compares open rows with open workflows, resumes what is left alone, and says who needs somebody."""

    def __init__(self, client: Client, lives: OpenBets) -> None:
        self._client = client
        self._lives = lives

    @activity.defn(name="resume_lost")
    async def resume_lost(self) -> int:
        """Start a workflow for every open bet and reversal that has none; how many were started.

        Safe beside anything: the workflow that is started takes the row over by compare-and-set, or leaves. One row
        that cannot be read would keep all behind it from being resumed: it is told, and passed over.
        """
        resumed = unreadable = 0
        async with heartbeat():
            for kind in self._lives.kinds:
                after = 0
                while rows := await self._lives.open_rows(kind, after, _AT_ONCE):
                    for row in await executions.without_execution(self._client, rows):
                        try:
                            resumed += await self._start(row)
                        except UnreadableRow as error:
                            unreadable += 1
                            _log.error("unreadable", workflow_id=row.workflow_id, error=str(error)[:_SAID])
                    after = rows[-1].bet_id
        _tell("resumed", resumed)
        _tell("unreadable", unreadable)
        return resumed

    @activity.defn(name="remind_quiet")
    async def remind_quiet(self) -> int:
        """Have bets whose rows know more than they do read them again; how many did."""
        async with heartbeat():
            return await self.remind(_QUIET_FOR)

    async def remind(self, quiet: timedelta) -> int:
        """The same for bets of which nothing was heard for so long: they owe money, or their row has ended and the
        workflow goes on. One that is at work refuses, which leaves no trace."""
        reminded = 0
        for row in await self._lives.quiet(quiet, _AT_ONCE):
            reminded += await self._remind(row)
        async for ids in executions.started_before(self._client, quiet, _LISTED):
            for row in await self._lives.ended(_carried(ids), quiet):
                reminded += await self._remind(row)
        return reminded

    async def _remind(self, row: OpenRow) -> int:
        try:
            await self._client.get_workflow_handle(row.workflow_id).execute_update("recheck", rpc_timeout=_SOON)
        except (WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError, RPCError):
            # It is at work, or has ended, or nobody carries it: the next look sees how it stands then.
            return 0
        _log.warning("reminded", bet_id=row.bet_id, workflow_id=row.workflow_id)
        return 1

    @activity.defn(name="name_stuck")
    async def name_stuck(self) -> dict[str, int]:
        """How many bets have failing workflow tasks, and how many are past their time; the first ones are logged."""
        counts = {}
        async with heartbeat():
            for why in ("failing", "overdue"):
                counts[why] = await executions.count_stuck(self._client, why)
                _tell(why, counts[why])
                async for found in executions.find_stuck(self._client, why, limit=_NAMED):
                    _log.warning("stuck", why=why, workflow_id=found.id)
        return counts

    async def _start(self, row: OpenRow) -> int:
        order = await self._lives.resumption(row)
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
                if await executions.is_open(self._client, order.workflow_id):
                    return 0
                # A life that ended before it took the row over; the next one has another number.
                order = order.in_the_next_life()
            else:
                _log.warning("resumed", bet_id=row.bet_id, workflow_id=order.workflow_id)
                return 1


def _carried(workflow_ids: Sequence[str]) -> list[BetKey | int]:
    """The bets that workflows carry. One whose id names none, because a person has started it, is passed over."""
    carried: list[BetKey | int] = []
    for workflow_id in workflow_ids:
        try:
            carried.append(parse_carrier(workflow_id))
        except ValueError:
            _log.error("carries no bet", workflow_id=workflow_id)
    return carried


def _tell(why: str, bets: int) -> None:
    until = monotonic() + _TOLD_FOR
    STUCK.labels(why).set_function(lambda: bets if monotonic() < until else math.nan)
