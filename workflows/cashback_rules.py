"""What the schedule ``cashback-rules`` runs: begin the runs of the rules whose windows have ended."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.support.activity_calls import with_heartbeat

with workflow.unsafe.imports_passed_through():
    from activities.cashback_rules import RuleRuns


@workflow.defn(name="CashbackRules")
class CashbackRules:
    """One round of all rules. It waits for none of the runs: one that takes long must not hold up another."""

    @workflow.run
    async def run(self) -> int:
        """Return how many runs were started."""
        return await with_heartbeat(
            RuleRuns.start_cashback_rules,
            summary="begin the runs of all windows that have ended",
            within=timedelta(minutes=10),
            # The next round begins what is left.
            retry=RetryPolicy(maximum_attempts=5),
        )
