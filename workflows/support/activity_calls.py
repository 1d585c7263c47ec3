"""The two lanes in which a movement of money is tried, for every workflow that moves money."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from betcore.domain.activity_inputs import Progress, Step
    from betcore.domain.ids import WALLET_QUEUE
    from betcore.domain.messages import BetPolicy

# For the statements around a call at the casino; what takes longer is tried again in the slow lane.
_AT_THE_DATABASE = timedelta(seconds=5)
# Temporal serves lower numbers first.
_OWED, _STAKES = 1, 3


class Lanes:
    """How a workflow reaches the wallet of one casino and the rows of its bet."""

    def __init__(self, policy: BetPolicy, casino_id: int) -> None:
        self._policy = policy
        self._fairness_key = f"casino-{casino_id}"

    async def fast(self, method: Any, order: Any, summary: str) -> Step:
        """One local activity; whatever keeps it from an answer leaves the movement to the slow lane."""
        try:
            step: Step = await workflow.execute_local_activity_method(
                method,
                order,
                schedule_to_close_timeout=self._policy.attempt_timeout * self._policy.fast_attempts + _AT_THE_DATABASE,
                retry_policy=RetryPolicy(maximum_attempts=1),
                summary=summary,
            )
        except FailureError as error:
            # A local activity that fails raises its own failure, without an ActivityError around it.
            return Step(progress=Progress.UNKNOWN, detail=str(error.cause or error))
        return step

    async def slow(
        self,
        method: Any,
        order: Any,
        summary: str,
        *,
        owed: bool = False,
        unless: Callable[[], bool] = lambda: False,
    ) -> Any:
        """A regular activity that people see, hold and hurry, retried until it has an answer.

        None where ``unless`` comes to hold first: the activity is given up then, though an attempt of it that is under
        way may still do its work.
        """
        retry = self._policy.retry
        policy = RetryPolicy(initial_interval=retry.first, backoff_coefficient=retry.factor, maximum_interval=retry.cap)
        activity = self._regular(method, order, summary, policy, owed=owed)
        await workflow.wait_condition(lambda: activity.done() or unless())
        if activity.done():
            return await _surely(activity)
        activity.cancel()
        with suppress(FailureError, asyncio.CancelledError):
            await activity
        return None

    async def once(self, method: Any, order: Any, summary: str, within: timedelta | None = None) -> bool:
        """Try a regular activity once; return whether it did its work, ``within`` that time if one is given. No answer
        to a provider waits for it, as one would for a local activity of the same workflow task."""
        try:
            await self._regular(method, order, summary, RetryPolicy(maximum_attempts=1), within=within)
        except FailureError:
            return False
        return True

    def _regular(
        self,
        method: Any,
        order: Any,
        summary: str,
        retry: RetryPolicy,
        *,
        owed: bool = False,
        within: timedelta | None = None,
    ) -> workflow.ActivityHandle[Any]:
        return workflow.start_activity_method(
            method,
            order,
            task_queue=WALLET_QUEUE,
            # A movement and, where the casino calls it a duplicate, the look that decides whose it is.
            start_to_close_timeout=self._policy.attempt_timeout * 2 + _AT_THE_DATABASE,
            schedule_to_close_timeout=within,
            retry_policy=retry,
            summary=summary,
            priority=Priority(priority_key=_OWED if owed else _STAKES, fairness_key=self._fairness_key),
        )

    async def rows(self, method: Any, order: Any, summary: str) -> Any:
        """A local activity at the database alone, retried until the database is there."""
        return await _surely(
            workflow.execute_local_activity_method(
                method,
                order,
                start_to_close_timeout=_AT_THE_DATABASE,
                retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
                summary=summary,
            )
        )


async def _surely(result: Awaitable[Any]) -> Any:
    """The result of an activity that is retried for ever. Where it fails all the same, the workflow task fails, and is
    retried until the code or the data is mended: a bet does not end in a failure."""
    try:
        return await result
    except FailureError as error:
        raise RuntimeError(f"an activity gave up: {error.cause or error}") from error
