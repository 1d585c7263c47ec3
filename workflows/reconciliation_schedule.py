"""What the schedule ``reconcile`` runs each hour: start a run of reconciliation for each casino."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.support.activity_calls import with_heartbeat

with workflow.unsafe.imports_passed_through():
    from activities.reconciliation import Reconciler


@workflow.defn(name="Reconciliations")
class Reconciliations:
    """One round of all casinos. It waits for none of the runs: a casino that is down must not hold up another."""

    @workflow.run
    async def run(self) -> int:
        """Return how many runs were started."""
        return await with_heartbeat(
            Reconciler.start_reconciliations,
            summary="start a run for each casino that is due",
            within=timedelta(minutes=10),
            # The next hour's round starts what is left.
            retry=RetryPolicy(maximum_attempts=5),
        )
