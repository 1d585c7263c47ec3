"""The refunds of one cancelled round: the stakes of its open bets go back, as if its provider had sent Refunds."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.support.activity_calls import with_heartbeat

with workflow.unsafe.imports_passed_through():
    from activities.round_refunds import RoundRefunder
    from betcore.domain.live_messages import RefundRound

# Between two looks: a bet may still be opened, and one whose stake is not known to be taken cannot be refunded yet.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=30)


@workflow.defn(name="RoundRefunds")
class RoundRefunds:
    """All bets of one round, until none is open and none can be opened any more."""

    @workflow.run
    async def run(self, order: RefundRound) -> int:
        """Return how many Refunds were filed; a new run counts anew."""
        filed, pause = 0, _FIRST_PAUSE
        while True:
            found = await with_heartbeat(
                RoundRefunder.refund_round,
                order,
                summary="file a Refund for each open bet of the round",
                within=timedelta(minutes=30),
                retry=RetryPolicy(maximum_interval=timedelta(minutes=1)),
            )
            filed += found.filed
            if found.done:
                return filed
            await workflow.sleep(pause, summary="until the open bets are looked at again")
            pause = min(pause * 2, _LONGEST_PAUSE)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(order)
