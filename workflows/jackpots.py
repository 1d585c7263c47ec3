"""The booking of stakes to pools: what the schedule ``jackpots`` runs."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.support.activity_calls import with_heartbeat

with workflow.unsafe.imports_passed_through():
    from activities.jackpots import JackpotBooking


@workflow.defn(name="JackpotBookings")
class JackpotBookings:
    """One round over all pools. The next one waits for its end."""

    @workflow.run
    async def run(self) -> int:
        """Return how many stakes were booked."""
        return await with_heartbeat(
            JackpotBooking.book_contributions,
            summary="book what stakes contribute to their pools",
            within=timedelta(minutes=10),
            # The schedule's next run books what this one has left.
            retry=RetryPolicy(maximum_attempts=3),
        )
