"""What the schedule ``cashbacks`` runs each minute: start the workflows of cashbacks that wait for one."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.support.activity_calls import with_heartbeat

with workflow.unsafe.imports_passed_through():
    from activities.cashback_starts import CashbackStarter


@workflow.defn(name="CashbackStarts")
class CashbackStarts:
    """One minute's starts. The next run waits for its end."""

    @workflow.run
    async def run(self) -> int:
        """Return how many workflows were started."""
        return await with_heartbeat(
            CashbackStarter.start_cashbacks,
            summary="start the workflows of cashbacks that wait for one",
            within=timedelta(minutes=10),
            # The next minute's run goes on anyway.
            retry=RetryPolicy(maximum_attempts=3),
        )
