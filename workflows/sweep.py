"""What the minute's schedule runs: bring back what nobody carries any more, and say what else is stuck."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.support.at_length import at_length

with workflow.unsafe.imports_passed_through():
    from activities.recovery import Recovery


@workflow.defn(name="Sweep")
class Sweep:
    """One look at all open rows. The next one waits for its end."""

    @workflow.run
    async def run(self) -> dict[str, int]:
        """How many workflows were started for rows that had none, were reminded, fail, and are past their time."""
        resumed = await self._look(Recovery.resume_lost, "resume bets whose workflow is gone")
        reminded = await self._look(Recovery.remind_quiet, "remind bets that owe money and are quiet")
        # After it, so that a list that does not answer keeps nobody from being resumed.
        stuck = await self._look(Recovery.name_stuck, "name what is stuck")
        return {"resumed": resumed, "reminded": reminded, **stuck}

    async def _look(self, method: Any, summary: str) -> Any:
        # The next minute's run looks again anyway.
        return await at_length(
            method, summary=summary, within=timedelta(minutes=10), retry=RetryPolicy(maximum_attempts=3)
        )
