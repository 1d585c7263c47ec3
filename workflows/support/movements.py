"""How a movement of money is brought to its end: the fast lane, the slow lane, a look at the casino, an operator."""

from datetime import datetime, timedelta

from temporalio import workflow

from workflows.support.activity_calls import ActivityCalls
from workflows.support.continue_as_new import NextRun
from workflows.support.four_eyes import Concern
from workflows.support.parked import Parked
from workflows.support.sending import Cls, Debit, Find, Mark, Send, Sending
from workflows.support.status import StatusReporter
from workflows.support.wake import WakeUp
from workflows.support.win_review import WinReview, limits_of

with workflow.unsafe.imports_passed_through():
    from activities.bet_records import BetRecords
    from activities.wallet import Wallet
    from betcore.domain.activity_inputs import FindCredit, Pay, Progress, Step, Unpark
    from betcore.domain.ids import TransactionType
    from betcore.domain.jackpots import Jackpot
    from betcore.domain.messages import Accept, Action, CashbackOrder, PayIn, PayOut, Refund, Reverse
    from betcore.domain.money import Money


_CREDITS = {
    TransactionType.PAY_OUT: "pay out",
    TransactionType.BET_RETURN: "return",
    TransactionType.JACKPOT_PAY_OUT: "pay the jackpot",
}


class MovementRunner:
    """Runs the debits and credits of one bet, reversal or cashback, one at a time."""

    def __init__(
        self,
        start: PayIn | Reverse | CashbackOrder,
        owner: str,
        calls: ActivityCalls,
        status: StatusReporter,
        wake_up: WakeUp,
        next_run: NextRun,
    ) -> None:
        self._start = start
        self._policy = start.policy
        self._owner = owner
        self._calls = calls
        self._status = status
        self._wake_up = wake_up
        self._next_run = next_run
        self.parked = Parked()
        self._review = WinReview(owner, calls, status, next_run, self.parked)
        # Whether a movement is under way whose outcome is not known yet.
        self.is_busy = False

    async def debit(self, debit: Debit[Cls, Send, Find, Mark]) -> Step:
        """Send a debit until its outcome is known; once it may not be sent any more, look for it, twice."""
        step = await self._try_fast(debit.sending)
        while True:
            if step.progress.is_open:
                self._status.attention("unknown")
                step = await self._retry_slow(debit.sending)
            if step.progress.is_open:
                step = await self._confirm_absent(debit)
            if step.progress is not Progress.PARKED:
                self.is_busy = False
                return step
            step = await self._decide_debit(debit)

    async def credit(
        self,
        transaction_type: TransactionType,
        amount: Money,
        *,
        asked: PayOut | Refund | None = None,
        filed_at: datetime | None = None,
        jackpot: Jackpot | None = None,
    ) -> Step:
        """Send a credit until the player has the money.

        ``asked`` is the message that asks for it, if one does; ``jackpot`` what is to be decided with a win.
        """
        pay = self._pay(transaction_type, amount, asked, filed_at, jackpot)
        kind = "issue" if pay.cashback else _CREDITS[transaction_type]
        sending = Sending(
            transaction_type=transaction_type,
            summary=f"{kind} {amount.currency} {amount}",
            fast=Wallet.try_credit,
            slow=Wallet.pursue_credit,
            input=lambda: pay,
            owed=True,
        )
        step = await self._try_fast(sending)
        while True:
            if step.progress.is_open:
                self._status.attention("owed")
                step = await self._retry_slow(sending)
            if step.progress is Progress.IN_REVIEW:
                self.is_busy = False
                step = await self._review.decide(pay)
                if not step.progress.is_open:
                    return step
                step = await self._try_fast(sending)
                continue
            if step.progress is not Progress.PARKED:
                self.is_busy = False
                return step
            step = await self._decide_credit(pay)

    def _pay(
        self,
        transaction_type: TransactionType,
        amount: Money,
        asked: PayOut | Refund | None,
        filed_at: datetime | None,
        jackpot: Jackpot | None,
    ) -> Pay:
        policy = self._policy
        return Pay(
            bet_id=self._status.number,
            owner=self._owner,
            casino_id=self._start.casino_id,
            partner_user_id=self._start.partner_user_id,
            transaction_type=transaction_type,
            amount=amount,
            attempt_timeout=policy.attempt_timeout,
            sends=policy.fast_attempts,
            retry=policy.retry,
            accept_within=policy.accept_within,
            reverses=isinstance(self._start, Reverse),
            cashback=isinstance(self._start, CashbackOrder),
            message=asked and asked.event_type,
            filed_at=filed_at,
            tax=asked.tax if isinstance(asked, PayOut) and transaction_type is TransactionType.PAY_OUT else None,
            jackpot=jackpot,
            proof=asked and asked.proof,
            limits=limits_of(transaction_type, asked or self._start, self._status.known_bet),
        )

    def wake(self, accept: Accept | None = None) -> None:
        """Have the movement under way looked at now, because of an Accept or, without one, for an operator."""
        self._wake_up.request(accept)

    # The lanes

    async def _try_fast(self, sending: Sending[Cls, Send]) -> Step:
        """Begin a movement in the fast lane.

        If the casino confirms by Accept, nothing is sent again before the Accept is late.
        """
        self._wake_up.begin(sending.transaction_type)
        self.is_busy = True
        step = await self._send_fast(sending)
        if step.progress is not Progress.AWAITED:
            return step
        wait = (self._policy.accept_within or timedelta()) if step.wait is None else step.wait
        if await self._wake_up.within(wait, "until the casino's Accept is late"):
            step = await self._send_fast(sending)
        return step

    async def _send_fast(self, sending: Sending[Cls, Send]) -> Step:
        step = await self._calls.fast(sending.fast, sending.input(), sending.summary)
        return self._status.apply(sending.summary, step)

    async def _retry_slow(self, sending: Sending[Cls, Send]) -> Step:
        """Retry a movement in the slow lane. A wake-up brings the fast lane back once, and then the slow one."""

        def interrupted() -> bool:
            return self._wake_up.requested or self._next_run.is_due

        while True:
            await self._next_run.start_if_due()
            step = await self._calls.slow_unless(
                sending.slow, sending.input(), sending.summary, interrupted, owed=sending.owed
            )
            if step is not None:
                return self._status.apply(sending.summary, step)
            if not self._wake_up.requested:
                continue
            self._wake_up.clear()
            step = await self._send_fast(sending)
            if not step.progress.is_open:
                return step

    # A look at the casino

    async def _confirm_absent(self, debit: Debit[Cls, Send, Find, Mark]) -> Step:
        """Look for a debit once no message of ours can still take effect, and again later."""
        after = self._policy.absence_after if debit.look_after is None else debit.look_after
        look_at, second_look = debit.not_after + after, False
        while True:
            await self._next_run.start_if_due()
            if await self._wake_up.within(look_at - workflow.now(), "until an old debit can no longer take effect"):
                step = await self._send_fast(debit.sending)
            else:
                what = "look for the debit"
                step = self._status.apply(what, await self._calls.slow(debit.find, debit.find_input(second_look), what))
                look_at, second_look = workflow.now() + self._policy.effect_within, True
            if not step.progress.is_open:
                return step

    async def _confirm_paid_by_hand(self, pay: Pay, parked_at: datetime) -> Step:
        """Count a credit as paid by hand once no message of ours can pay it too, and two looks have not found it."""
        wait = parked_at + self._policy.message_lifetime + self._policy.absence_after - workflow.now()
        second_look = False
        while True:
            await workflow.sleep(max(wait, timedelta()), summary="until an old credit can no longer take effect")
            what = "look for what was paid by hand"
            order = FindCredit(pay=pay, second_look=second_look)
            step = self._status.apply(what, await self._calls.slow(Wallet.find_credit, order, what))
            if not step.progress.is_open:
                return step
            wait, second_look = self._policy.effect_within, True

    # An operator

    async def _decide_credit(self, pay: Pay) -> Step:
        """Wait for a decision on a parked credit, and carry it out."""
        self._wake_up.repeat_handed_on()
        self._status.attention("parked")
        self.parked.credit, parked_at = Concern(pay.transaction_type, pay.amount), workflow.now()
        await self._wait_for_operator()
        if self.parked.mark is Action.MARK_PAID:
            step = await self._confirm_paid_by_hand(pay, parked_at)
        else:
            # From here on it may be sent.
            self.parked.credit = None
            step = await self._unpark(pay.transaction_type)
        self.parked.clear()
        return step

    async def _decide_debit(self, debit: Debit[Cls, Send, Find, Mark]) -> Step:
        """Wait for a decision on a parked debit, and carry it out."""
        self._wake_up.repeat_handed_on()
        self._status.attention("parked")
        # The casino gives no answer that could be checked: two people have to have looked at it.
        self.parked.debit = Concern(debit.sending.transaction_type, debit.amount, by_two=True)
        await self._wait_for_operator()
        step = None if self.parked.mark is None else await self._carry_out_mark(debit, self.parked.mark)
        if step is None:
            self.parked.debit = None
            step = await self._unpark(debit.sending.transaction_type)
        self.parked.clear()
        return step

    async def _wait_for_operator(self) -> None:
        """Wait until operators have decided, or the casino has confirmed what is parked."""

        def decided() -> bool:
            return self._wake_up.wakes_parked or self.parked.mark is not None

        await workflow.wait_condition(lambda: decided() or self._next_run.is_due)
        if not decided():
            await self._next_run.start_if_due()

    async def _carry_out_mark(self, debit: Debit[Cls, Send, Find, Mark], mark: Action) -> Step | None:
        """Carry out what operators have decided. Return None if the casino confirms the debit meanwhile."""
        if mark is not Action.MARK_TAKEN:
            # What is not at the casino may still reach it until then.
            wait = debit.not_after + self._policy.absence_after - workflow.now()
            if await self._confirmed_within(wait):
                return None
        if mark is Action.VOID:
            await self._unpark(debit.sending.transaction_type)
            return await self._confirm_absent(debit)
        taken = mark is Action.MARK_TAKEN
        what = f"{debit.sending.summary}, marked as {'taken' if taken else 'not taken'}"
        return self._status.apply(what, await self._calls.slow(debit.mark, debit.mark_input(taken), what))

    async def _confirmed_within(self, time: timedelta) -> bool:
        summary = "until an old debit can no longer take effect"
        try:
            await workflow.wait_condition(
                lambda: self._wake_up.wakes_parked, timeout=max(time, timedelta()), timeout_summary=summary
            )
        except TimeoutError:
            return False
        return True

    async def _unpark(self, transaction_type: TransactionType) -> Step:
        """Let a parked movement be sent again."""
        self._wake_up.clear()
        order = Unpark(bet_id=self._status.number, owner=self._owner, transaction_type=transaction_type)
        await self._calls.at_database(BetRecords.unpark, order, "let it be sent again")
        return Step(progress=Progress.UNKNOWN)
