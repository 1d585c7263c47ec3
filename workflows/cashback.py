"""The workflow of one cashback: credit it to the player and, if its row asks for that, debit it again.

It completes when the row is at rest. A cancel that is asked for later is a change of the row, and a new workflow.
"""

from datetime import timedelta

from temporalio import workflow

from workflows.support.activity_calls import ActivityCalls
from workflows.support.completion import Completion
from workflows.support.continue_as_new import NextRun
from workflows.support.four_eyes import FourEyes
from workflows.support.movements import MovementRunner
from workflows.support.operator_actions import OperatorActions
from workflows.support.sending import taking_back
from workflows.support.status import StatusReporter
from workflows.support.wake import WakeUp

with workflow.unsafe.imports_passed_through():
    from activities.cashbacks import CashbackWallet
    from activities.marks import Marks
    from betcore.domain.activity_inputs import CancelCashback, MarkCancel, OpenCashback, Progress, Step
    from betcore.domain.cashback import CashbackState
    from betcore.domain.ids import TransactionType
    from betcore.domain.messages import Accept, CashbackOrder, Operate, Operated
    from betcore.temporal import visibility
    from betcore.temporal.visibility import Timeline

# A casino that lists no cashbacks cannot show that a debit is absent: there is nothing to wait for.
_AT_ONCE = timedelta()


@workflow.defn(name="Cashback")
class Cashback:
    """One cashback, until its row is at rest: issued or cancelled."""

    @workflow.init
    def __init__(self, order: CashbackOrder) -> None:
        policy, handed_on = order.policy, order.handed_on
        self._order = order
        self._owner = workflow.info().first_execution_run_id
        self._calls = ActivityCalls(policy, order.casino_id)
        self._status = StatusReporter(Timeline(visibility.head_of_cashback(order)), self._calls, handed_on)
        wake_up, four_eyes = WakeUp(handed_on), FourEyes(policy, handed_on)
        next_run = NextRun(order, self._status, [self._status, wake_up, four_eyes])
        self._movements = MovementRunner(order, self._owner, self._calls, self._status, wake_up, next_run)
        self._completion = Completion(self._status, next_run)
        self._actions = OperatorActions(four_eyes, self._status, self._movements, self._completion)

    @workflow.run
    async def run(self, order: CashbackOrder) -> CashbackState | None:
        """Carry the cashback until it is at rest. Return its state, or None if another workflow owns it."""
        await self._completion.run_to_completion(self._carry_out)
        cashback = self._status.cashback
        return cashback.state if cashback.owner == self._owner else None

    async def _carry_out(self) -> None:
        """Take the cashback on; issue it; cancel it if asked."""
        await self._take_on()
        if not self._is_ours():
            return
        step = Step(progress=Progress.DONE)
        if self._status.cashback.state is CashbackState.ISSUING:
            step = await self._movements.credit(TransactionType.PAY_OUT, self._order.amount)
        if step.progress is Progress.DONE and self._status.cashback.state is CashbackState.CANCELLING:
            step = await self._cancel()
        if step.progress is not Progress.FOREIGN:
            self._status.show(self._status.cashback.state)

    @workflow.signal(name="accept", description="The casino has confirmed or refused a movement: its row says how.")
    def accept(self, accept: Accept) -> None:
        """Have the movement's row read now."""
        self._movements.wake(accept)

    @workflow.update(name="operate", description="An operator's action: retry, or a mark.")
    async def operate(self, order: Operate) -> Operated:
        """Take the action, or propose it to a second operator."""
        return self._actions.operate(order)

    @operate.validator
    def _check_operate(self, order: Operate) -> None:
        self._actions.check(order)

    async def _take_on(self) -> None:
        order = OpenCashback(cashback_id=self._order.cashback_id, owner=self._owner, resumed=self._order.resumed)
        self._status.record = await self._calls.at_database(CashbackWallet.open_cashback, order, "take the cashback on")

    def _is_ours(self) -> bool:
        """Return whether this workflow owns the row, and the row agrees with the argument: a person with access to
        Temporal may have written it."""
        cashback, order = self._status.cashback, self._order
        own = cashback.owner == self._owner and cashback.closed_at is None
        return own and (cashback.casino_id, cashback.amount) == (order.casino_id, order.amount)

    async def _cancel(self) -> Step:
        not_after = workflow.now() + self._order.policy.message_lifetime

        def order(second_look: bool) -> CancelCashback:
            return CancelCashback(order=self._order, owner=self._owner, not_after=not_after, second_look=second_look)

        def mark(taken: bool) -> MarkCancel:
            return MarkCancel(order=self._order, owner=self._owner, taken=taken)

        debit = taking_back(
            "cancel the cashback",
            self._order.amount,
            not_after,
            fast=CashbackWallet.try_cancel,
            slow=CashbackWallet.pursue_cancel,
            find=CashbackWallet.find_cancel,
            order=order,
            mark=Marks.mark_cancel,
            mark_order=mark,
            look_after=None if self._order.listed else _AT_ONCE,
        )
        return await self._movements.debit(debit)
