"""What the minute's schedule runs: bring back what nobody carries any more, and say what else is stuck."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.sweeps import Sweeps
    from betcore.ids import WALLET_QUEUE


@workflow.defn(name="Sweep")
class Sweep:
    """One look at all open rows."""

    @workflow.run
    async def run(self) -> dict[str, int]:
        """How many workflows were started for rows that had none, were reminded, fail, and are past their time."""
        resumed = await workflow.execute_activity_method(
            Sweeps.resume_lost,
            task_queue=WALLET_QUEUE,
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(seconds=30),
            # The next minute's run looks again anyway.
            retry_policy=RetryPolicy(maximum_attempts=3),
            summary="resume bets whose workflow is gone",
        )
        reminded = await workflow.execute_activity_method(
            Sweeps.remind_quiet,
            task_queue=WALLET_QUEUE,
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(maximum_attempts=3),
            summary="remind bets that owe money and are quiet",
        )
        # After it, so that a list that does not answer keeps nobody from being resumed.
        stuck = await workflow.execute_activity_method(
            Sweeps.name_stuck,
            task_queue=WALLET_QUEUE,
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(maximum_attempts=3),
            summary="name what is stuck",
        )
        return {"resumed": resumed, "reminded": reminded, **stuck}
