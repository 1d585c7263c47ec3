"""Temporal's schedules, one set for the whole service, and the start of a reconciliation.

Every worker keeps the schedules; the first one creates them.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from betcore.domain.ids import BETS_QUEUE
from betcore.domain.reconciliation import Wanted

SWEEP, RECONCILE = "sweep", "reconcile"
_log = structlog.get_logger()


async def keep_schedules(client: Client, sweep_every: timedelta, reconcile_every: timedelta) -> None:
    """Create the schedules or update them, and create them again if Temporal has lost them, until cancelled.

    An interval of 0 deletes the schedule of reconciliations.
    """
    wanted = {
        SWEEP: _schedule(SWEEP, "Sweep", sweep_every),
        RECONCILE: _schedule(RECONCILE, "Reconciliations", reconcile_every) if reconcile_every else None,
    }
    up_to_date: set[str] = set()
    while True:
        for name, schedule in wanted.items():
            try:
                await _ensure(client, name, schedule, up_to_date=name in up_to_date)
                up_to_date.add(name)
            except RPCError as error:
                _log.warning("a schedule could not be looked after", schedule=name, error=str(error))
        await asyncio.sleep(sweep_every.total_seconds())


def _schedule(name: str, workflow: str, every: timedelta) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(workflow, id=name, task_queue=BETS_QUEUE),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        # A run that takes longer than the interval would overlap with the next one: that one is skipped. After a down
        # time of Temporal one run makes up for all that were missed.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every),
    )


async def _ensure(client: Client, name: str, schedule: Schedule | None, *, up_to_date: bool) -> None:
    if schedule is None:
        if not up_to_date:
            await _delete(client, name)
        return

    def brought_up_to_date(now: ScheduleUpdateInput) -> ScheduleUpdate:
        # An update would start a schedule again that an operator has paused: its state is kept.
        return ScheduleUpdate(schedule=replace(schedule, state=now.description.schedule.state))

    try:
        await client.create_schedule(name, schedule)
    except ScheduleAlreadyRunningError:
        if not up_to_date:
            await client.get_schedule_handle(name).update(brought_up_to_date)


async def _delete(client: Client, name: str) -> None:
    try:
        await client.get_schedule_handle(name).delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def start_reconciliation(client: Client, wanted: Wanted) -> bool:
    """Start the workflow of a run, once more if it was terminated; return False if it runs, or has completed."""
    try:
        await client.start_workflow(
            "Reconciliation",
            wanted.order,
            id=wanted.workflow_id,
            task_queue=BETS_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        )
    except WorkflowAlreadyStartedError:
        return False
    return True
