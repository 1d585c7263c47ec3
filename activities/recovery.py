"""Recovery, once a minute: open rows whose workflow is gone, workflows that missed a message, bets that are stuck."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import TypeVar

import prometheus_client
import structlog
from temporalio import activity
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError

from activities.heartbeat import heartbeat
from activities.live_recovery import LiveRecovery
from betcore.db.open_bets import OpenBets
from betcore.db.row_mapping import UnreadableRow
from betcore.domain.ids import BetKey, parse_workflow_id
from betcore.domain.open_bets import OpenBet, Page
from betcore.temporal import executions
from betcore.temporal.carriers import start_carrier

T = TypeVar("T")

_log = structlog.get_logger()
# Open rows on one page, and running workflows on one page of Temporal's list.
_LISTED = 1000
# Pages that one sweep reads of each part; the next sweep goes on behind them. At Temporal's pace: under a minute.
_PAGES = 100
# Pages of running workflows that one sweep reads to find those whose row has ended. Few: what they owed is paid, and to
# read the whole list again costs Temporal as much as the rest of the sweep.
_PAGES_FOR_ENDED = 5
# Seconds after which a part begins no other page: starting workflows takes long, and an activity has two parts.
_LONGEST = 200
# Quiet bets that one sweep reminds.
_REMINDED = 100
# Stuck bets of each kind that are named in the log; the metrics count all.
_NAMED = 20
# A bet with a casino that does not answer is quiet for longer: it is reminded in vain, which does no harm.
_QUIET_FOR = timedelta(minutes=2)
_SOON = timedelta(seconds=2)
# Characters of an error that the log shows.
_LONGEST_ERROR = 300
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Seconds for which a process exports its counts: after that another process may have newer ones.
_EXPORTED_FOR = 180
STUCK = prometheus_client.Gauge(
    "betcore_stuck", "Bets by why they are stuck, at the last check that this process made", ["why"]
)


class Recovery:
    """Compares open rows with open workflows, resumes what has lost its workflow, and counts what is stuck."""

    def __init__(self, client: Client, open_bets: OpenBets, live: LiveRecovery) -> None:
        self._client = client
        self._open_bets = open_bets
        self._live = live

    @activity.defn(name="resume_lost")
    async def resume_lost(self) -> int:
        """Start a workflow for every open bet, reversal and cashback that has lost its own; return how many were
        started.

        This is safe at any time: the new workflow takes the row over by compare-and-set, or ends. A row that cannot be
        read is logged and passed over: else it would keep all rows behind it from being resumed.
        """
        resumed = unreadable = 0
        async with heartbeat():
            # Before the rows: whatever runs by then need not be asked for. To ask Temporal for the workflows of each
            # page of rows makes it read all that run each time.
            running = await executions.running(self._client, _LISTED * _PAGES)
            for kind in self._open_bets.kinds:
                async for rows in self._pages(kind, _PAGES, partial(self._open_rows, kind)):
                    unlisted = [row for row in rows if row.workflow_id not in running]
                    for row in await executions.without_execution(self._client, unlisted):
                        try:
                            resumed += await self._start(row)
                        except UnreadableRow as error:
                            unreadable += 1
                            _log.error("unreadable", workflow_id=row.workflow_id, error=str(error)[:_LONGEST_ERROR])
            await self._live.resume()
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
        return await self._remind_owing(quiet) + await self._remind_ended(quiet)

    async def _remind_owing(self, quiet: timedelta) -> int:
        reminded, left = 0, _REMINDED

        async def read(after: int) -> Page[OpenBet]:
            # The rest of a page that has too many is for the next sweep.
            found = await self._open_bets.quiet(quiet, after, _LISTED)
            rows = found.rows[:left]
            return found if rows == found.rows else Page(rows, rows[-1].bet_id)

        def enough() -> bool:
            return left == 0

        async for rows in self._pages("quiet", _PAGES, read, enough):
            for row in rows:
                reminded += await self._remind(row)
            left -= len(rows)
        return reminded

    async def _remind_ended(self, quiet: timedelta) -> int:
        reminded = 0
        running = _Running(self._client, datetime.now(UTC) - quiet)
        async for bets in self._pages("running", _PAGES_FOR_ENDED, running.read):
            for row in await self._open_bets.ended(bets, quiet):
                reminded += await self._remind(row)
        return reminded

    async def _pages(
        self,
        part: str,
        share: int,
        read: Callable[[int], Awaitable[Page[T]]],
        enough: Callable[[], bool] = lambda: False,
    ) -> AsyncIterator[Sequence[T]]:
        """Yield a part's rows page by page, from where the last sweep has stopped, until the round, this sweep's share
        of pages or its time is over, or the caller has had enough.

        The cursor is recorded when a page is done: whatever interrupts a sweep, the next one goes on there.
        """
        after, until = await self._open_bets.cursor(part), monotonic() + _LONGEST
        for number in range(share):
            page = await read(after)
            if page.upto is None and not page.rows and after and not number:
                page = await read(0)
            if page.rows:
                yield page.rows
            after = page.upto or 0
            await self._open_bets.set_cursor(part, after)
            if not after:
                return
            if enough() or monotonic() > until:
                break
        _log.info("the sweep goes on next time", part=part, after=after)

    async def _open_rows(self, kind: str, after: int) -> Page[OpenBet]:
        rows = await self._open_bets.open_rows(kind, after, _LISTED)
        return Page(rows, rows[-1].bet_id if len(rows) == _LISTED else None)

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
        workflow_id = resumption and await start_carrier(self._client, resumption)
        if workflow_id is None:
            return 0
        _log.warning("resumed", bet_id=row.bet_id, workflow_id=workflow_id)
        return 1


class _Running:
    """Reads the bets of running workflows from Temporal's list, from the newest to the oldest.

    The cursor is a moment in microseconds. A list that changes meanwhile is not read twice: its pages go on by a token
    of Temporal's.
    """

    def __init__(self, client: Client, newest: datetime) -> None:
        self._client = client
        self._newest = newest
        self._listed: AsyncIterator[Sequence[WorkflowExecution]] | None = None

    async def read(self, after: int) -> Page[BetKey | int]:
        """Return the bets of the next page."""
        if self._listed is None or not after:
            moment = min(self._newest, _EPOCH + timedelta(microseconds=after)) if after else self._newest
            self._listed = executions.started_before(self._client, moment, _LISTED)
        found: Sequence[WorkflowExecution] = await anext(self._listed, [])
        upto = (found[-1].start_time - _EPOCH) // timedelta(microseconds=1) if found else None
        return Page(_bets_of([one.id for one in found]), upto)


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
