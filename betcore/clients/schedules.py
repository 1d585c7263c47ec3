"""What Temporal starts by itself: one schedule for the whole service, whoever of its workers comes first."""

from datetime import timedelta

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
)

from betcore.ids import BETS_QUEUE

SWEEP = "sweep"


async def ensure_schedules(client: Client, sweep_every: timedelta) -> None:
    """Create the schedule, or bring the one that is there up to date."""
    schedule = Schedule(
        action=ScheduleActionStartWorkflow("Sweep", id=SWEEP, task_queue=BETS_QUEUE),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=sweep_every)]),
        # A look that takes longer than its interval is not met by a second one; what was missed while Temporal was
        # down is one look, not one for each minute.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=sweep_every),
    )
    try:
        await client.create_schedule(SWEEP, schedule)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(SWEEP).update(lambda _: ScheduleUpdate(schedule=schedule))
