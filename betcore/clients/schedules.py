"""What Temporal starts by itself: one schedule for the whole service, whoever of its workers comes first."""

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
from temporalio.service import RPCError

from betcore.ids import BETS_QUEUE

SWEEP = "sweep"
_log = structlog.get_logger()


async def keep_schedules(client: Client, sweep_every: timedelta) -> None:
    """Create the schedule or bring it up to date, and create it again should Temporal lose it. Ends when cancelled."""
    schedule = Schedule(
        action=ScheduleActionStartWorkflow("Sweep", id=SWEEP, task_queue=BETS_QUEUE),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=sweep_every)]),
        # A look that takes longer than its interval is not met by a second one; what was missed while Temporal was
        # down is one look, not one for each minute.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=sweep_every),
    )

    up_to_date = False
    while True:
        try:
            await _ensure(client, schedule, up_to_date=up_to_date)
            up_to_date = True
        except RPCError as error:
            _log.warning("the schedule could not be looked after", error=str(error))
        await asyncio.sleep(sweep_every.total_seconds())


async def _ensure(client: Client, schedule: Schedule, *, up_to_date: bool) -> None:
    def brought_up_to_date(now: ScheduleUpdateInput) -> ScheduleUpdate:
        # Whether it is paused stays as people have left it.
        return ScheduleUpdate(schedule=replace(schedule, state=now.description.schedule.state))

    try:
        await client.create_schedule(SWEEP, schedule)
    except ScheduleAlreadyRunningError:
        if not up_to_date:
            await client.get_schedule_handle(SWEEP).update(brought_up_to_date)
