"""The run of a rule of cashback for one window of time."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.support.activity_calls import with_heartbeat

with workflow.unsafe.imports_passed_through():
    from activities.cashback_rules import RuleRuns
    from betcore.domain.cashback_rules import RuleRunDone


@workflow.defn(name="CashbackRuleRun")
class CashbackRuleRun:
    """What one rule gives to the players of one casino for one window."""

    @workflow.run
    async def run(self, run_id: int) -> RuleRunDone:
        """Return how many cashbacks stand, once all players are dealt with."""
        return await with_heartbeat(
            RuleRuns.pay_cashback_rule,
            run_id,
            # A retry goes on behind the last player that was dealt with: an attempt that ends loses nothing.
            summary="open a cashback for each player who has lost",
            within=timedelta(hours=6),
            retry=RetryPolicy(maximum_interval=timedelta(minutes=5)),
        )
