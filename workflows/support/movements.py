"""What all workflows that move money have in common: how a movement is brought to its end.

A life ends only when its rows are terminal, or when another life owns them. What goes wrong on the way is waited out.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.support.activity_calls import Lanes
from workflows.support.continue_as_new import Renewal
from workflows.support.debit import Debit
from workflows.support.four_eyes import Concern, Operators, Seen
from workflows.support.parked import MARKS, Parked
from workflows.support.status import Board
from workflows.support.wake import Nudge

with workflow.unsafe.imports_passed_through():
    from activities.wallet import Wallet
    from betcore.domain.activity_inputs import Operation, Pay, Progress, Step
    from betcore.domain.errors import Code
    from betcore.domain.ids import TransactionType
    from betcore.domain.messages import Accept, Action, BetRecord, HandedOn, Operate, Operated, PayIn, Reverse


class Life:
    """One workflow's hold on a bet or a reversal."""

    def __init__(
        self, start: PayIn | Reverse, head: str, hand_on: Callable[[HandedOn], HandedOn] = lambda more: more
    ) -> None:
        policy, handed_on = start.policy, start.handed_on or HandedOn()
        self.owner = workflow.info().first_execution_run_id
        self.lanes = Lanes(policy, start.casino_id)
        self.board = Board(head, self.lanes)
        self.board.resume(handed_on.needs_attention, handed_on.lines)
        self._operators = Operators(policy, handed_on.proposals)
        self._policy = policy
        self._over = False
        self._nudge = Nudge()
        # What an earlier run of this workflow was told at its last moment.
        self._told_before = handed_on.wakes
        # A movement is on its way and nobody knows its end yet.
        self._at_work = False
        self.renewal = Renewal(start, self.board, lambda: hand_on(self._handed_on()))
        self.parked = Parked(self.owner, policy, self.lanes, self.board, self._nudge, self.renewal)

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
        return self.board.bet

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

        await workflow.wait_condition(lambda: self._over or known() or self.renewal.is_near)
        if not (self._over or known()):
            self.renewal.check()
        if self.record is None:
            raise ApplicationError("the bet ended without a row", type=Code.OUTCOME_UNKNOWN)
        return self.record

    # Movements

    async def debit(self, debit: Debit) -> Step:
        """Send a debit until it is known; once it may not be sent any more, look for it, twice."""
        self._nudge.start(debit.kind)
        self._at_work = True
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
            self._recall()
            step = await self.parked.decide_debit(debit, self._find)

    async def credit(self, order: Pay) -> Step:
        """Send a credit until the player has the money."""
        self._nudge.start(order.transaction_type)
        self._at_work = True
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
            self._recall()
            step = await self.parked.decide_credit(order)

    def _recall(self) -> None:
        if self._told_before:
            self._told_before = False
            self._nudge.give()

    async def _begun(self, attempt: Any, order: Callable[[], Any], what: str) -> Step:
        """The fast lane. Where the casino confirms with Accept, it gets its time before anything is sent again."""
        step = self.board.took(what, await self.lanes.fast(attempt, order(), what))
        if step.progress is not Progress.AWAITED:
            return step
        wait = (self._policy.accept_within or timedelta()) if step.wait is None else step.wait
        if await self._nudge.within(wait, "until the casino's Accept is late"):
            step = self.board.took(what, await self.lanes.fast(attempt, order(), what))
        return step

    async def _pursued(
        self, pursue: Any, attempt: Any, order: Callable[[], Any], what: str, *, owed: bool = False
    ) -> Step:
        """Pursue a movement in the slow lane; a nudge brings the fast lane back once."""

        def interrupted() -> bool:
            return self._nudge.given or self.renewal.is_due

        while True:
            await self.renewal.if_due()
            step = await self.lanes.slow(pursue, order(), what, owed=owed, unless=interrupted)
            if step is not None:
                return self.board.took(what, step)
            if not self._nudge.given:
                continue
            self._nudge.clear()
            step = self.board.took(what, await self.lanes.fast(attempt, order(), what))
            if not step.progress.is_open:
                return step

    async def _find(self, debit: Debit) -> Step:
        """No old message of ours may still take effect when the casino is asked."""
        look_at, second_look = debit.not_after + self._policy.absence_after, False
        while True:
            await self.renewal.if_due()
            if await self._nudge.within(look_at - workflow.now(), "until an old debit can no longer take effect"):
                step = self.board.took(debit.what, await self.lanes.fast(debit.attempt, debit.order(), debit.what))
            else:
                what = "look for the debit"
                step = self.board.took(what, await self.lanes.slow(debit.find, debit.look(second_look), what))
                look_at, second_look = workflow.now() + self._policy.effect_within, True
            if not step.progress.is_open:
                return step

    # What interrupts a wait

    def nudge(self, accept: Accept | None = None) -> None:
        """Have the movement that is on its way looked at now."""
        self._nudge.give(accept)

    # Operators

    def why_not(self, order: Operate) -> str | None:
        """Why an action that any movement knows cannot be taken now; None where it can."""
        if self._over or self.record is None:
            return "there is nothing to act on"
        if self.renewal.is_near:
            return "it goes on in a new run: ask again"
        if self.parked.mark is not None or order.action in MARKS:
            return self.parked.why_not(order.action)
        if order.action is Action.RETRY:
            return None if self._at_work else "nothing is on its way"
        return "only a bet that waits can be settled or voided"

    def check_operation(self, order: Operate, concern: Concern, why_not: str | None) -> None:
        """Raises ApplicationError(operation_refused) where the action cannot be taken."""
        if self.record is not None and order.bet_id not in (None, self.record.bet_id):
            why_not = f"the action is for bet {order.bet_id}, and this is {self.record.bet_id}"
        self._operators.check(order, self._seen(self.parked.concern(order.action) or concern), why_not)

    def operate(self, order: Operate, concern: Concern, act: Callable[[], None]) -> Operated:
        """Take an action, or propose it where a second operator is needed. ``concern`` is what it moves."""
        concern = self.parked.concern(order.action) or concern
        done = self._operators.agreed(order, concern, self._seen(concern))
        detail = "under way" if done else self._operators.waits(order.action)
        operated = Operated(done=done, state=self._state, detail=detail)
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
        if done and order.action in MARKS:
            self.parked.mark = order.action
        elif done:
            act()
        return operated

    def _handed_on(self) -> HandedOn:
        return HandedOn(
            proposals=tuple(self._operators.proposals.values()),
            wakes=self._nudge.wakes,
            needs_attention=self.board.needs_attention,
            lines=self.board.lines,
        )

    def _seen(self, concern: Concern) -> Seen:
        return Seen.of(concern, self.record.bet_id if self.record else None, self._state)

    @property
    def _state(self) -> str:
        record = self.record
        if record is None:
            return "not opened yet"
        return record.state if record.reversal is None else f"{record.state}, its reversal {record.reversal.state}"
