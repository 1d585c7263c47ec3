"""Our rows against Temporal.

An open row has a workflow, a closed row has none, and what is owed is being tried. Temporal's list lags behind and rows
change, so nothing counts that was seen once: after a while the row is read again and the workflow itself is described.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from temporalio.client import Client
from temporalio.service import RPCError

from betcore.db.database import Database
from betcore.db.statements import verify_workflows
from betcore.db.statements.verify_workflows import OpenStateRow, WorkflowRow
from betcore.domain.ids import (
    BetKey,
    cashback_workflow_id,
    current_bet_workflow_id,
    current_reversal_workflow_id,
    parse_workflow_id,
)
from betcore.domain.open_bets import BET, CASHBACK, REVERSAL, OpenBet
from betcore.temporal import executions
from betcore.verify.report import OnProgress, Progress, Report, Violation, named

# Rows of one query, workflows of one page, and concurrent requests to Temporal.
_ROWS, _PAGE, _AT_ONCE = 500, 500, 8
# Suspects that are collected before their second look.
_SUSPECTS = 2000
# Looks at a workflow that is still at work though its row is closed.
_LOOKS = 10
# A row without an owner waits for the sweep, which runs every minute.
_TAKEN_ON = timedelta(minutes=2)
_RUNNING = "ExecutionStatus = 'Running' AND WorkflowType IN ('Bet', 'Reversal', 'Cashback')"
# What a workflow may still do for long after its row is closed: confirm to the casino that the bet is over.
_CLOSING = "close_at_casino"
_OPEN = {
    BET: verify_workflows.OPEN_BETS,
    REVERSAL: verify_workflows.OPEN_REVERSALS,
    CASHBACK: verify_workflows.OPEN_CASHBACKS,
}
_STILL_OPEN = {
    BET: verify_workflows.BETS_STILL_OPEN,
    REVERSAL: verify_workflows.REVERSALS_STILL_OPEN,
    CASHBACK: verify_workflows.CASHBACKS_STILL_OPEN,
}
_REVERSES = ("reversal:", "resume-reversal:")

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row that did not look right the first time."""

    kind: str
    row: OpenStateRow
    workflow_id: str


@dataclass(frozen=True, slots=True)
class Timing:
    """The age from which a row is judged, and the wait before the second look."""

    settled: timedelta = timedelta(seconds=10)
    again_after: timedelta = timedelta(seconds=3)


class WorkflowCheck:
    """The checks ``workflows`` and ``owed``."""

    def __init__(
        self, database: Database, client: Client, report: Report, on_progress: OnProgress, timing: Timing
    ) -> None:
        self._database = database
        self._client = client
        self._report = report
        self._on_progress = on_progress
        self._timing = timing

    async def check(self) -> None:
        """Check both directions. What Temporal does not answer is reported as unchecked."""
        try:
            await self._open_rows()
            await self._open_workflows()
        except RPCError as error:
            for name in ("workflows", "owed"):
                self._report.mark_unchecked(name, f"Temporal: {error.message}")

    # From rows to workflows

    async def _open_rows(self) -> None:
        [count] = await self._database.all_rows(verify_workflows.OPEN_COUNT)
        done = 0
        suspects: list[Suspect] = []
        for kind in _OPEN:
            async for rows in self._open(kind):
                suspects += await self._suspicious(kind, rows)
                done += len(rows)
                self._on_progress(Progress("open rows", done, max(count.bets, done)))
                if len(suspects) >= _SUSPECTS:
                    await self._look_again(suspects)
                    suspects = []
        await self._look_again(suspects)

    async def _open(self, kind: str) -> AsyncIterator[Sequence[OpenStateRow]]:
        after = 0
        while True:
            given = {"after": after, "limit": _ROWS, "settled": self._timing.settled, "taken_on": _TAKEN_ON}
            rows = await self._database.all_rows(_OPEN[kind], **given)
            if not rows:
                return
            yield rows
            after = rows[-1].bet_id

    async def _suspicious(self, kind: str, rows: Sequence[OpenStateRow]) -> list[Suspect]:
        """Return the rows without an open workflow, and those that owe money and are not tried."""
        lost = {
            row.workflow_id
            for row in await executions.without_execution(self._client, [_open(kind, one) for one in rows])
        }
        carried = [(row, _workflow_id(kind, row)) for row in rows]
        due = [(row, name) for row, name in carried if name not in lost and row.due]
        whys = await _each(due, lambda one: self._idle(one[1], parked=one[0].parked))
        self._report.checks["workflows"].looked_at += len(rows)
        self._report.checks["owed"].looked_at += sum(1 for row in rows if row.due)
        idle = [one for one, why in zip(due, whys, strict=True) if why]
        return [Suspect(kind, row, name) for row, name in [*(c for c in carried if c[1] in lost), *idle]]

    async def _look_again(self, suspects: Sequence[Suspect]) -> None:
        if not suspects:
            return
        await asyncio.sleep(self._timing.again_after.total_seconds())
        for kind in _OPEN:
            of_kind = [one.row.bet_id for one in suspects if one.kind == kind]
            for start in range(0, len(of_kind), _ROWS):
                rows = await self._database.all_rows(_STILL_OPEN[kind], bet_ids=of_kind[start : start + _ROWS])
                await _each(rows, partial(self._judge, kind))

    async def _judge(self, kind: str, row: OpenStateRow) -> None:
        name = _workflow_id(kind, row)
        if not await executions.is_open(self._client, name):
            if not await self._is_open(kind, row):
                return
            self._report.add(named("workflows", row, f"its {kind} is open and no workflow carries it ({name})"))
            if row.due:
                what = f"its {kind} has money to move and is not tried: its workflow is gone ({name})"
                self._report.add(named("owed", row, what))
        elif row.due and (why := await self._idle(name, parked=row.parked)) and await self._is_open(kind, row):
            self._report.add(named("owed", row, f"its {kind} has money to move and is not tried: {why} ({name})"))

    async def _is_open(self, kind: str, row: OpenStateRow) -> bool:
        """Return whether the row is unchanged: it may have ended while its workflow was described."""
        now = await self._database.all_rows(_STILL_OPEN[kind], bet_ids=[row.bet_id])
        return bool(now) and (now[0].owner, now[0].lives) == (row.owner, row.lives)

    async def _idle(self, workflow_id: str, *, parked: bool) -> str | None:
        """Return why nothing will move what a workflow owes; None if something will, or if an operator has to."""
        standing = await executions.describe(self._client, workflow_id)
        if standing is None:
            return None if parked else "its workflow is gone"
        if standing.status == "PAUSED" or any("pause" in one.state for one in standing.pending):
            return "an operator has paused it"
        if parked or standing.pending or standing.task_attempt or standing.status != "RUNNING":
            return None
        return None if await self._waits(workflow_id) else "no attempt, no timer and no task is pending"

    async def _waits(self, workflow_id: str) -> bool:
        """Return whether a timer of the workflow has still to fire. Only the history shows that."""
        timers: set[int] = set()
        async for event in self._client.get_workflow_handle(workflow_id).fetch_history_events():
            if event.HasField("timer_started_event_attributes"):
                timers.add(event.event_id)
            elif event.HasField("timer_fired_event_attributes"):
                timers.discard(event.timer_fired_event_attributes.started_event_id)
            elif event.HasField("timer_canceled_event_attributes"):
                timers.discard(event.timer_canceled_event_attributes.started_event_id)
        return bool(timers)

    # From workflows to rows

    async def _open_workflows(self) -> None:
        total, done, ids = (await self._client.count_workflows(_RUNNING)).count, 0, []
        suspects: list[WorkflowRow] = []
        async for found in self._client.list_workflows(_RUNNING, page_size=_PAGE):
            ids.append(found.id)
            done += 1
            if len(ids) == _PAGE:
                suspects, ids = [*suspects, *await self._ended(ids)], []
                self._on_progress(Progress("open workflows", done, max(total, done)))
            if len(suspects) >= _SUSPECTS:
                await self._look_after_the_end(suspects)
                suspects = []
        suspects += await self._ended(ids)
        self._on_progress(Progress("open workflows", done, max(total, done)))
        self._report.checks["workflows"].looked_at += done
        await self._look_after_the_end(suspects)

    async def _ended(self, workflow_ids: Sequence[str]) -> list[WorkflowRow]:
        """Return the workflows whose row is closed. One without a row has not opened it yet: nothing was sent."""
        if not workflow_ids:
            return []
        named = {one: found for one in workflow_ids if (found := self._named(one)) is not None}
        workflow_ids, carried = list(named), list(named.values())
        keys = [one if isinstance(one, BetKey) else None for one in carried]
        rows = await self._database.all_rows(
            verify_workflows.ROWS_OF_WORKFLOWS,
            workflow_ids=list(workflow_ids),
            reverses=[one.startswith(_REVERSES) for one in workflow_ids],
            numbers=[None if isinstance(one, BetKey) else one for one in carried],
            counterparties=[key and key.counterparty_id for key in keys],
            provider_bet_ids=[key and key.provider_bet_id for key in keys],
            settled=self._timing.settled,
        )
        return [row for row in rows if row.ended]

    def _named(self, workflow_id: str) -> BetKey | int | None:
        try:
            return parse_workflow_id(workflow_id)
        except ValueError:
            what = f"a workflow of a bet runs under an id that names none ({workflow_id})"
            self._report.add(Violation("workflows", "", "", what))
            return None

    async def _look_after_the_end(self, suspects: Sequence[WorkflowRow]) -> None:
        if suspects:
            await asyncio.sleep(self._timing.again_after.total_seconds())
            await _each(suspects, self._judge_after_the_end)

    async def _judge_after_the_end(self, suspect: WorkflowRow) -> None:
        """Report a workflow that goes on after its row is closed.

        If a task or an attempt is pending, workers may only be busy: it gets time.
        """
        for _ in range(_LOOKS):
            standing = await executions.describe(self._client, suspect.workflow_id)
            if standing is None or standing.status not in ("RUNNING", "PAUSED"):
                return
            if any(one.what == _CLOSING for one in standing.pending):
                return
            if not standing.pending and not standing.task_attempt:
                break
            await asyncio.sleep(self._timing.again_after.total_seconds())
        what = f"its row is closed and its workflow goes on ({suspect.workflow_id})"
        self._report.add(named("workflows", suspect, what))


def _open(kind: str, row: OpenStateRow) -> OpenBet:
    return OpenBet(kind, row.bet_id, row.owner, row.lives, _workflow_id(kind, row))


def _workflow_id(kind: str, row: OpenStateRow) -> str:
    if kind == CASHBACK:
        return cashback_workflow_id(row.bet_id, row.lives)
    current_id = current_bet_workflow_id if kind == BET else current_reversal_workflow_id
    return current_id(BetKey(str(row.counterparty_id), row.provider_bet_id), row.bet_id, row.lives)


async def _each(items: Sequence[T], call: Callable[[T], Awaitable[R]]) -> list[R]:
    """Return the call's result for each item; a few calls run at a time."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(item: T) -> R:
        async with places:
            return await call(item)

    return list(await asyncio.gather(*(one(item) for item in items)))
