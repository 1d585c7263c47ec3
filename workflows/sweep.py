"""What the schedule ``sweep`` runs each minute: resume bets that have no workflow, and name what else is stuck."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.support.activity_calls import Out, with_heartbeat

with workflow.unsafe.imports_passed_through():
    from activities.recovery import Recovery


@workflow.defn(name="Sweep")
class Sweep:
    """One look at all open rows. The next one waits for its end."""

    @workflow.run
    async def run(self) -> dict[str, int]:
        """Return how many workflows were started for rows that had none, were reminded, fail, and are overdue."""
        resumed = await self._look(Recovery.resume_lost, "resume bets whose workflow is gone")
        reminded = await self._look(Recovery.remind_quiet, "remind bets that owe money and are quiet")
        # Last: if Temporal's list does not answer, lost bets are resumed all the same.
        stuck = await self._look(Recovery.name_stuck, "name what is stuck")
        return {"resumed": resumed, "reminded": reminded, **stuck}

    async def _look(self, method: Callable[[Recovery], Awaitable[Out]], summary: str) -> Out:
        # The next minute's run looks again anyway.
        return await with_heartbeat(
            method, summary=summary, within=timedelta(minutes=10), retry=RetryPolicy(maximum_attempts=3)
        )
