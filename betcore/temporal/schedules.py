"""What Temporal starts by itself: schedules for the whole service, whoever of its workers comes first."""

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
from temporalio.service import RPCError, RPCStatusCode

from betcore.domain.ids import BETS_QUEUE

SWEEP, RECONCILE = "sweep", "reconcile"
_log = structlog.get_logger()


async def keep_schedules(client: Client, sweep_every: timedelta, reconcile_every: timedelta) -> None:
    """Create the schedules or bring them up to date, and create them again should Temporal lose them.

    One that is to come round every 0 seconds is taken away. Ends when cancelled.
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
        # A look that takes longer than its interval is not met by a second one; what was missed while Temporal was
        # down is one look, not one for each interval.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every),
    )


async def _ensure(client: Client, name: str, schedule: Schedule | None, *, up_to_date: bool) -> None:
    if schedule is None:
        if not up_to_date:
            await _take_away(client, name)
        return

    def brought_up_to_date(now: ScheduleUpdateInput) -> ScheduleUpdate:
        # Whether it is paused stays as people have left it.
        return ScheduleUpdate(schedule=replace(schedule, state=now.description.schedule.state))

    try:
        await client.create_schedule(name, schedule)
    except ScheduleAlreadyRunningError:
        if not up_to_date:
            await client.get_schedule_handle(name).update(brought_up_to_date)


async def _take_away(client: Client, name: str) -> None:
    try:
        await client.get_schedule_handle(name).delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
