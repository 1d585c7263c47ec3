"""Close a bet at its casino, or open it again, if the casino's profile asks for that.

A payment to the player never waits for it. A claw-back does: the casino refuses one for a closed bet.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from temporalio import workflow

from workflows.support.activity_calls import ActivityCalls
from workflows.support.status import StatusReporter

with workflow.unsafe.imports_passed_through():
    from activities.wallet import Wallet
    from betcore.domain.activity_inputs import CloseAtCasino, Step
    from betcore.domain.messages import Reverse
    from betcore.domain.policy import BetPolicy

# The patch under which a close is given up for a reversal, and a reversal opens only what may have been closed.
_NO_WAIT = "no-money-waits-for-close"


class Closing:
    """Closes one bet at its casino, and opens it again. From the first failure on the workflow needs attention."""

    def __init__(self, policy: BetPolicy, casino_id: int, calls: ActivityCalls, status: StatusReporter) -> None:
        self._calls = calls
        self._status = status
        self._policy = policy
        self._casino_id = casino_id
        self._tried = False
        self._given_up_at: datetime | None = None

    async def close(self, unless: Callable[[], bool] = lambda: False) -> None:
        """Send close until the casino confirms it or ``unless`` holds."""

        def given_up() -> bool:
            return unless() and workflow.patched(_NO_WAIT)

        if not self._policy.close or given_up():
            return
        self._tried = True
        if await self._once(closed=True):
            return
        if not given_up():
            self._status.attention("closing")
            await self._until_confirmed(closed=True, unless=given_up)
        if unless():
            self._given_up_at = workflow.now()

    def before(self, reverse: Reverse) -> Reverse:
        """Return the reversal of this bet with whether a close was sent, and until when one may still take effect."""
        late = self._policy.attempt_timeout + self._policy.effect_within
        reopen_from = self._given_up_at and self._given_up_at + late
        return reverse.model_copy(update={"closed": self._tried, "reopen_from": reopen_from})

    async def reopen(self, reverse: Reverse) -> None:
        """Send open until the casino confirms it."""
        if not self._may_be_closed(reverse):
            return
        wait = (reverse.reopen_from or workflow.now()) - workflow.now()
        if wait > timedelta():
            self._status.attention("reopening")
            await workflow.sleep(wait, summary="until an old close can no longer take effect")
        if not await self._once(closed=False):
            self._status.attention("reopening")
            await self._until_confirmed(closed=False)
        if self._status.needs_attention:
            self._status.show("reversing")

    async def reopen_beside(self, reverse: Reverse, returning: Callable[[], Awaitable[Step]]) -> Step:
        """Open the bet while its stake is returned: the return waits for one attempt to open, and no longer."""
        within = self._policy.attempt_timeout * 2
        if not self._may_be_closed(reverse) or await self._once(closed=False, within=within):
            return await returning()
        self._status.attention("reopening")
        returned = False

        async def open_meanwhile() -> None:
            # A casino that has closed the bet refuses the return. So the return is tried first, and shown as owed.
            await workflow.wait_condition(lambda: returned or self._status.status != "reopening")
            if not returned:
                await self._until_confirmed(closed=False, unless=lambda: returned)

        opening = asyncio.create_task(open_meanwhile())
        step = await returning()
        returned = True
        await opening
        return step

    def _may_be_closed(self, reverse: Reverse) -> bool:
        if not self._policy.close:
            return False
        # A bet that ended without its stake was never closed.
        return not workflow.patched(_NO_WAIT) if reverse.win is None else reverse.closed

    async def _once(self, *, closed: bool, within: timedelta | None = None) -> bool:
        return await self._calls.once(Wallet.close_at_casino, self._order(closed), _what(closed), within)

    async def _until_confirmed(self, *, closed: bool, unless: Callable[[], bool] = lambda: False) -> None:
        await self._calls.slow_unless(Wallet.close_at_casino, self._order(closed), _what(closed), unless)

    def _order(self, closed: bool) -> CloseAtCasino:
        return CloseAtCasino(
            bet_id=self._status.bet.bet_id,
            casino_id=self._casino_id,
            attempt_timeout=self._policy.attempt_timeout,
            closed=closed,
        )


def _what(closed: bool) -> str:
    return "close the bet at the casino" if closed else "open the bet at the casino again"
