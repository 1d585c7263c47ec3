"""What all workflows that move money have in common: how a movement is brought to its end.

A life ends only when its rows are terminal, or when another life owns them. What goes wrong on the way is waited out.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.board import Board
from workflows.lanes import Lanes
from workflows.operators import Operators

with workflow.unsafe.imports_passed_through():
    from activities.bets import BetRows
    from activities.wallet import Wallet
    from betcore.errors import Code
    from betcore.ids import TransactionType
    from betcore.messages import Action, BetPolicy, BetRecord, Operate, Operated
    from betcore.money import Money
    from betcore.orders import FindCredit, Operation, Pay, Progress, Step, Unpark


class Debit(NamedTuple):
    """The three activities of a debit, and what it is called. ``order`` and ``look`` make what they are asked with;
    ``look`` is told whether it is the second one."""

    attempt: Any
    pursue: Any
    find: Any
    kind: TransactionType
    what: str
    order: Callable[[], Any]
    look: Callable[[bool], Any]
    not_after: datetime


class Life:
    """One workflow's hold on a bet or a reversal."""

    def __init__(self, policy: BetPolicy, casino_id: int, head: str) -> None:
        self.owner = workflow.info().first_execution_run_id
        self.lanes = Lanes(policy, casino_id)
        self.board = Board(head, self.lanes)
        self._operators = Operators(policy)
        self._policy = policy
        self._casino_id = casino_id
        self._over = False
        # Something is to be looked at now: an Accept has come, or an operator wants it tried again.
        self._nudged = False
        # A movement is on its way and nobody knows its end yet.
        self._at_work = False
        self._parked_credit: Pay | None = None
        self._paid_by_hand = False

    @property
    def record(self) -> BetRecord | None:
        """The rows as they were last read."""
        return self.board.record

    @record.setter
    def record(self, record: BetRecord) -> None:
        self.board.record = record

    @property
    def bet(self) -> BetRecord:
        """The rows as they were last read; there are some."""
        if self.record is None:
            raise RuntimeError("no row was read yet")
        return self.record

    async def lead(self, story: Coroutine[Any, Any, None]) -> None:
        """Carry a story to its end, whatever is asked of the workflow meanwhile; leave when everybody is answered."""
        clerk, life = asyncio.create_task(self.board.clerk()), asyncio.create_task(self._to_its_end(story))
        while not life.done():
            try:
                await asyncio.shield(life)
            except asyncio.CancelledError:
                # Money in motion does not stop because somebody pressed a button; a person hears of it.
                self.board.say("cancellation asked for and not followed")
                self.board.contradiction("cancelled", {}, {"asked": "cancel"})
        clerk.cancel()
        life.result()

    async def _to_its_end(self, story: Coroutine[Any, Any, None]) -> None:
        await story
        self._over = True
        await workflow.wait_condition(lambda: self.board.all_written and workflow.all_handlers_finished())

    async def answer(self, decide: Callable[[BetRecord], Code | None]) -> BetRecord:
        """The rows as soon as they decide a call, or as the story ends."""

        def known() -> bool:
            return self.record is not None and decide(self.record) is not Code.OUTCOME_UNKNOWN

        await workflow.wait_condition(lambda: self._over or known())
        if self.record is None:
            raise ApplicationError("the bet ended without a row", type=Code.OUTCOME_UNKNOWN)
        return self.record

    # Movements

    async def debit(self, debit: Debit) -> Step:
        """Send a debit until it is known; once it may not be sent any more, look for it, twice."""
        self._nudged, self._at_work = False, True
        step = await self._begun(debit.attempt, debit.order, debit.what)
        while True:
            if step.progress.is_open:
                self.board.attention("unknown")
                step = await self._pursued(debit.pursue, debit.attempt, debit.order, debit.what)
            if step.progress.is_open:
                step = await self._find(debit)
            if step.progress is not Progress.PARKED:
                self._at_work = False
                return step
            step = await self._decided(debit.kind)

    async def credit(self, order: Pay) -> Step:
        """Send a credit until the player has the money."""
        self._nudged, self._at_work = False, True
        kind = "pay out" if order.transaction_type is TransactionType.PAY_OUT else "return"
        what = f"{kind} {order.amount.currency} {order.amount}"
        step = await self._begun(Wallet.try_credit, lambda: order, what)
        while True:
            if step.progress.is_open:
                self.board.attention("owed")
                step = await self._pursued(Wallet.pursue_credit, Wallet.try_credit, lambda: order, what, owed=True)
            if step.progress is not Progress.PARKED:
                self._at_work = False
                return step
            self._parked_credit = order
            step = await self._decided(order.transaction_type)
            self._parked_credit = None

    async def _begun(self, attempt: Any, order: Callable[[], Any], what: str) -> Step:
        """The fast lane. Where the casino confirms with Accept, it gets its time before anything is sent again."""
        step = self._took(what, await self.lanes.fast(attempt, order(), what))
        if step.progress is Progress.AWAITED and await self._nudge_within(self._policy.accept_within or timedelta()):
            step = self._took(what, await self.lanes.fast(attempt, order(), what))
        return step

    async def _pursued(
        self, pursue: Any, attempt: Any, order: Callable[[], Any], what: str, *, owed: bool = False
    ) -> Step:
        """The slow lane; a nudge brings the fast one back for once."""
        while True:
            step = await self.lanes.slow(pursue, order(), what, owed=owed, unless=lambda: self._nudged)
            if step is not None:
                return self._took(what, step)
            self._nudged = False
            step = self._took(what, await self.lanes.fast(attempt, order(), what))
            if not step.progress.is_open:
                return step

    async def _find(self, debit: Debit) -> Step:
        """No old message of ours may still take effect when the casino is asked."""
        look_at, second_look = debit.not_after + self._policy.absence_after, False
        while True:
            if await self._nudge_within(look_at - workflow.now(), "until an old debit can no longer take effect"):
                step = self._took(debit.what, await self.lanes.fast(debit.attempt, debit.order(), debit.what))
            else:
                what = "look for the debit"
                step = self._took(what, await self.lanes.slow(debit.find, debit.look(second_look), what))
                look_at, second_look = workflow.now() + self._policy.effect_within, True
            if not step.progress.is_open:
                return step

    async def _decided(self, kind: TransactionType) -> Step:
        """A person has to decide, or the casino confirms after all; no clock does it for them."""
        self.board.attention("parked")
        parked_at = workflow.now()
        await workflow.wait_condition(lambda: self._nudged or self._paid_by_hand)
        if self._paid_by_hand and self._parked_credit is not None:
            return await self._was_paid_by_hand(self._parked_credit, parked_at)
        # From here on it may be sent.
        self._nudged, self._parked_credit = False, None
        order = Unpark(bet_id=self.bet.bet_id, owner=self.owner, transaction_type=kind)
        await self.lanes.rows(BetRows.unpark, order, "let it be sent again")
        return Step(progress=Progress.UNKNOWN)

    async def _was_paid_by_hand(self, pay: Pay, parked_at: datetime) -> Step:
        """It counts as paid once no message of ours can pay it too, and the casino has said so twice."""
        wait = parked_at + self._policy.message_lifetime + self._policy.absence_after - workflow.now()
        second_look = False
        while True:
            await workflow.sleep(max(wait, timedelta()), summary="until an old credit can no longer take effect")
            what = "look for what was paid by hand"
            step = self._took(
                what,
                await self.lanes.slow(Wallet.find_credit, FindCredit(pay=pay, second_look=second_look), what),
            )
            if not step.progress.is_open:
                self._paid_by_hand = False
                return step
            wait, second_look = self._policy.effect_within, True

    def _took(self, what: str, step: Step) -> Step:
        if step.record is not None:
            self.record = step.record
        self.board.say(f"{what}: {step.progress}{f' ({step.detail})' if step.detail else ''}")
        return step

    # What interrupts a wait

    def nudge(self) -> None:
        """Have the movement that is on its way looked at now."""
        self._nudged = True

    async def _nudge_within(self, time: timedelta, summary: str = "until the casino's Accept is late") -> bool:
        try:
            await workflow.wait_condition(lambda: self._nudged, timeout=max(time, timedelta()), timeout_summary=summary)
        except TimeoutError:
            return False
        self._nudged = False
        return True

    # Operators

    def why_not(self, order: Operate) -> str | None:
        """Why an action that any movement knows cannot be taken now; None where it can."""
        if self._over or self.record is None:
            return "there is nothing to act on"
        if self._paid_by_hand:
            return "what was marked as paid is being looked for at the casino"
        match order.action:
            case Action.RETRY:
                return None if self._at_work else "nothing is on its way"
            case Action.MARK_PAID:
                return None if self._parked_credit else "no payment to the player is parked"
            case _:
                return "only a bet that waits can be settled or voided"

    def check_operation(self, order: Operate, amount: Money | None, why_not: str | None) -> None:
        """Raises ApplicationError(operation_refused) where the action cannot be taken."""
        if self.record is not None and order.bet_id not in (None, self.record.bet_id):
            why_not = f"the action is for bet {order.bet_id}, and this is {self.record.bet_id}"
        self._operators.check(order, self._concerned(order, amount), self._state, why_not)

    def operate(self, order: Operate, amount: Money | None, act: Callable[[], None]) -> Operated:
        """Take an action, or propose it where a second operator is needed. ``amount`` is what it moves."""
        amount = self._concerned(order, amount)
        done = self._operators.agreed(order, amount, self._state)
        operated = Operated(done=done, state=self._state, detail="under way" if done else "waits for a second operator")
        self.board.operated(
            Operation(
                bet_id=self.bet.bet_id,
                action=order.action,
                operator=order.operator,
                reason=order.reason,
                done=done,
                detail=operated.detail,
                asked_at=workflow.now(),
                win=order.win and f"{order.win.currency} {order.win}",
            )
        )
        if done and order.action is Action.MARK_PAID:
            self._paid_by_hand = True
        elif done:
            act()
        return operated

    def _concerned(self, order: Operate, amount: Money | None) -> Money | None:
        if order.action is Action.MARK_PAID and self._parked_credit is not None:
            return self._parked_credit.amount
        return amount

    @property
    def _state(self) -> str:
        record = self.record
        if record is None:
            return "not opened yet"
        return record.state if record.reversal is None else f"{record.state}, its reversal {record.reversal.state}"
