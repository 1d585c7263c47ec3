"""What the hour's schedule runs: start a run of reconciliation for each casino."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.reconciliation import Reconciling
    from betcore.ids import WALLET_QUEUE


@workflow.defn(name="Reconciliations")
class Reconciliations:
    """One round of the casinos. It waits for none of the runs: a casino that is down must not hold up another one."""

    @workflow.run
    async def run(self) -> int:
        """How many runs were started."""
        return await workflow.execute_activity_method(
            Reconciling.start_reconciliations,
            task_queue=WALLET_QUEUE,
            start_to_close_timeout=timedelta(minutes=10),
            # The next hour's round takes up what is left.
            retry_policy=RetryPolicy(maximum_attempts=5),
            summary="start a run for each casino that is due",
        )
