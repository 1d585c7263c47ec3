"""What decides a bet: the first PayOut or Refund that is filed, the win of a PayInOut, the row, or time."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.support.activity_calls import ActivityCalls
from workflows.support.continue_as_new import NextRun
from workflows.support.inbox import Inbox
from workflows.support.status import StatusReporter

with workflow.unsafe.imports_passed_through():
    from activities.bet_records import BetRecords
    from betcore.domain.activity_inputs import Withdraw
    from betcore.domain.bet import BetState
    from betcore.domain.errors import Code
    from betcore.domain.jackpots import Jackpot
    from betcore.domain.messages import PayIn, PayOut, Refund
    from betcore.domain.money import Money
    from betcore.domain.win_review import Review


class Resolution(NamedTuple):
    """The win to pay, or None to return the stake; the message that asks for it, if one does; and the jackpot that is
    to be decided with the win, if one is."""

    win: Money | None
    asked: PayOut | Refund | None = None
    jackpot: Jackpot | None = None


class ResolutionWait:
    """Waits for the resolution of one bet whose stake is taken."""

    def __init__(
        self,
        pay_in: PayIn,
        owner: str,
        calls: ActivityCalls,
        status: StatusReporter,
        inbox: Inbox,
        next_run: NextRun,
    ) -> None:
        self._pay_in = pay_in
        self._owner = owner
        self._calls = calls
        self._status = status
        self._inbox = inbox
        self._next_run = next_run
        # While it waits for a message: whether the row is to be read again.
        self._waits, self._rereads = False, False

    async def wait(self) -> Resolution:
        """Return the resolution as soon as there is one."""
        bet, win = self._status.bet, self._pay_in.win
        if bet.state is BetState.ACCEPTANCE and bet.withdrawn_at is None:
            if win is not None and (bet.bound_to or not (self._inbox or bet.review)):
                return Resolution(win, jackpot=self._pay_in.jackpot)
            if win is not None and bet.review:
                # Without its win it does not stand: stake and win came in one call.
                return Resolution(None, self._inbox.first)
            if bet.bound_to:
                self._inbox.restore(self._reviewed(bet.bound_to))
            match await self._message():
                case PayOut() as pay_out:
                    return Resolution(pay_out.win, pay_out, pay_out.jackpot)
                case Refund() as refund:
                    return Resolution(None, refund)
        return self.by_the_row()

    def _reviewed(self, review: Review) -> PayOut:
        """Return the PayOut whose win the row keeps for operators, as a workflow that is lost has received it."""
        bet, now = self._pay_in, workflow.now()
        return PayOut(
            player_id=bet.player_id,
            round_id=bet.round_id,
            win=review.win,
            answer_by=now,
            tax=review.tax,
            jackpot=review.jackpot,
        )

    def by_the_row(self) -> Resolution:
        """Return the resolution that the row has. Its jackpot is decided."""
        bet = self._status.bet
        return Resolution(bet.win if bet.state in (BetState.SETTLING, BetState.SETTLED) else None)

    def check_reread(self) -> None:
        """Raise ApplicationError(outcome_unknown) if it does not wait for a message."""
        if not self._waits:
            raise ApplicationError("it does not wait for a message", type=Code.OUTCOME_UNKNOWN)

    def reread(self) -> None:
        """Have the row read again: a message may be lost whose attempt has begun to pay."""
        self._rereads = True

    async def _message(self) -> PayOut | Refund | None:
        """Return the first PayOut or Refund; None if time, or the row, has decided."""
        unconfirmed = self._pay_in.policy.unconfirmed_within
        if await self._filed_within(unconfirmed, "until the stake goes back unless its PayIn was answered"):
            return self._inbox.first
        while True:
            order = Withdraw(bet_id=self._status.bet.bet_id, owner=self._owner)
            what = "take the bet back unless its PayIn was answered"
            self._status.record = await self._calls.at_database(BetRecords.withdraw, order, what)
            if self._status.bet.withdrawn_at is not None:
                self._status.say("its PayIn was not answered with done: its stake goes back")
                return None
            if self._status.bet.state is not BetState.ACCEPTANCE:
                return None
            if await self._filed_before_overdue():
                return self._inbox.first

    async def _filed_before_overdue(self) -> bool:
        """Wait for a message, at the longest for as long as the policy holds an overdue bet.

        Return False if the row is to be read again first.
        """
        left, next_run = max(self._pay_in.settle_by - workflow.now(), timedelta()), self._next_run
        self._rereads, self._waits = False, True
        if not await self._filed_within(left, "until the bet is overdue", lambda: next_run.is_due):
            self._status.attention("overdue")
            if self._pay_in.policy.on_overdue == "hold":
                await workflow.wait_condition(lambda: bool(self._inbox or self._rereads or next_run.is_due))
        self._waits = False
        if not self._inbox:
            await next_run.start_if_due()
        return bool(self._inbox) or not self._rereads

    async def _filed_within(self, time: timedelta, summary: str, unless: Callable[[], bool] = lambda: False) -> bool:
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: bool(self._inbox or self._rereads or unless()), timeout=time, timeout_summary=summary
            )
            return True
        return False
