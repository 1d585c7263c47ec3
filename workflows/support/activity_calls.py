"""How workflows call activities: the fast and the slow lane of a movement of money, statements, and long work."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar, overload

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import MISSED_AFTER
    from betcore.domain.activity_inputs import Progress, Step
    from betcore.domain.ids import WALLET_QUEUE
    from betcore.domain.policy import MovementPolicy

# An activity is a method of ``Cls`` from one ``In`` to an ``Out``.
Cls = TypeVar("Cls")
In = TypeVar("In")
Out = TypeVar("Out")

# For the statements around a call at the casino; what takes longer is retried in the slow lane.
_AT_THE_DATABASE = timedelta(seconds=5)
# Temporal serves lower numbers first.
_OWED, _STAKES = 1, 3


class ActivityCalls:
    """Call the wallet of one casino and the rows of one bet, by the bet's policy."""

    def __init__(self, policy: MovementPolicy, casino_id: int) -> None:
        self._policy = policy
        self._fairness_key = f"casino-{casino_id}"

    async def fast(self, method: Callable[[Cls, In], Awaitable[Step]], order: In, summary: str) -> Step:
        """Run one local activity; a failure of any kind is an unknown outcome, which the slow lane resolves."""
        try:
            return await workflow.execute_local_activity_method(
                method,
                order,
                schedule_to_close_timeout=self._policy.attempt_timeout * self._policy.fast_attempts + _AT_THE_DATABASE,
                retry_policy=RetryPolicy(maximum_attempts=1),
                summary=summary,
            )
        except FailureError as error:
            # A local activity that fails raises its own failure, without an ActivityError around it.
            return Step(progress=Progress.UNKNOWN, detail=str(error.cause or error))

    async def slow(self, method: Callable[[Cls, In], Awaitable[Out]], order: In, summary: str) -> Out:
        """Run a regular activity, which people see and can hurry, and retry it until it answers."""
        activity = self._regular(method, order, summary, self._patient())
        # Not awaited at once: recorded histories have their commands in the order that this wait gives them.
        await workflow.wait_condition(activity.done)
        return await _surely(activity)

    async def slow_unless(
        self,
        method: Callable[[Cls, In], Awaitable[Out]],
        order: In,
        summary: str,
        unless: Callable[[], bool],
        *,
        owed: bool = False,
    ) -> Out | None:
        """Run a regular activity as ``slow`` does, but give it up and return None once ``unless`` holds.

        An attempt of it that is under way may still do its work. What is ``owed`` to players is served first.
        """
        activity = self._regular(method, order, summary, self._patient(), owed=owed)
        await workflow.wait_condition(lambda: activity.done() or unless())
        if activity.done():
            return await _surely(activity)
        activity.cancel()
        with suppress(FailureError, asyncio.CancelledError):
            await activity
        return None

    async def once(
        self,
        method: Callable[[Cls, In], Awaitable[object]],
        order: In,
        summary: str,
        within: timedelta | None = None,
    ) -> bool:
        """Try a regular activity once; return whether it did its work, ``within`` that time if one is given.

        A local activity would hold back the workflow task, and with it the answers that providers wait for.
        """
        try:
            await self._regular(method, order, summary, RetryPolicy(maximum_attempts=1), within=within)
        except FailureError:
            return False
        return True

    async def at_database(self, method: Callable[[Cls, In], Awaitable[Out]], order: In, summary: str) -> Out:
        """Run a local activity that needs the database alone, and retry it until the database answers."""
        return await _surely(
            workflow.execute_local_activity_method(
                method,
                order,
                start_to_close_timeout=_AT_THE_DATABASE,
                retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
                summary=summary,
            )
        )

    def _regular(
        self,
        method: Callable[[Cls, In], Awaitable[Out]],
        order: In,
        summary: str,
        retry: RetryPolicy,
        *,
        owed: bool = False,
        within: timedelta | None = None,
    ) -> workflow.ActivityHandle[Out]:
        return workflow.start_activity_method(
            method,
            order,
            task_queue=WALLET_QUEUE,
            # A movement and, if the casino calls it a duplicate, the look that decides whose it is.
            start_to_close_timeout=self._policy.attempt_timeout * 2 + _AT_THE_DATABASE,
            schedule_to_close_timeout=within,
            retry_policy=retry,
            summary=summary,
            priority=Priority(priority_key=_OWED if owed else _STAKES, fairness_key=self._fairness_key),
        )

    def _patient(self) -> RetryPolicy:
        gaps = self._policy.retry
        return RetryPolicy(initial_interval=gaps.first, backoff_coefficient=gaps.factor, maximum_interval=gaps.cap)


@overload
async def with_heartbeat(
    method: Callable[[Cls], Awaitable[Out]], /, *, summary: str, within: timedelta, retry: RetryPolicy
) -> Out: ...


@overload
async def with_heartbeat(
    method: Callable[[Cls, In], Awaitable[Out]], order: In, /, *, summary: str, within: timedelta, retry: RetryPolicy
) -> Out: ...


async def with_heartbeat(
    method: Callable[..., Awaitable[Out]], /, *order: object, summary: str, within: timedelta, retry: RetryPolicy
) -> Out:
    """Run an activity that sends heartbeats; if its worker is gone, another one begins it anew, long before ``within``
    is over."""
    return await workflow.execute_activity_method(
        method,
        args=order,
        task_queue=WALLET_QUEUE,
        start_to_close_timeout=within,
        heartbeat_timeout=MISSED_AFTER,
        retry_policy=retry,
        summary=summary,
    )


async def _surely(result: Awaitable[Out]) -> Out:
    """Return the result of an activity that is retried indefinitely.

    If it fails all the same, the workflow task fails, and is retried until the code or the data is mended: a bet does
    not end in a failure.
    """
    try:
        return await result
    except FailureError as error:
        raise RuntimeError(f"an activity gave up: {error.cause or error}") from error
