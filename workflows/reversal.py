"""The workflow that reverses a bet which has ended: take the win back, if there was one, then return the stake.

The win first: it is the leg that can fail. If the casino refuses it nothing else moves, and the bet stays settled.
"""

from datetime import datetime

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from workflows.support.activity_calls import ActivityCalls
from workflows.support.closing import Closing
from workflows.support.completion import Completion
from workflows.support.continue_as_new import NextRun
from workflows.support.four_eyes import FourEyes
from workflows.support.movements import MovementRunner
from workflows.support.operator_actions import OperatorActions
from workflows.support.sending import Debit, taking_back
from workflows.support.status import StatusReporter
from workflows.support.wake import WakeUp

with workflow.unsafe.imports_passed_through():
    from activities.claw_backs import ClawBacks
    from activities.marks import Marks
    from betcore.domain import answers
    from betcore.domain.activity_inputs import ClawBack, MarkClawBack, OpenReversal, Progress, Step
    from betcore.domain.bet import BetRecord, BetState, ReversalState
    from betcore.domain.errors import Code
    from betcore.domain.ids import TASK_TIMEOUT, BetKey, TransactionType, reversal_workflow_id
    from betcore.domain.messages import Accept, Operate, Operated, Refund, Reverse
    from betcore.temporal import visibility
    from betcore.temporal.visibility import Timeline


@workflow.defn(name="Reversal")
class Reversal:
    """A saga of two legs, with a row of its own beside the bet's."""

    @workflow.init
    def __init__(self, reverse: Reverse) -> None:
        policy, handed_on = reverse.policy, reverse.handed_on
        self._reverse = reverse
        self._owner = workflow.info().first_execution_run_id
        self._calls = ActivityCalls(policy, reverse.casino_id)
        self._status = StatusReporter(Timeline(visibility.head_of_reversal(reverse)), self._calls, handed_on)
        wake_up, four_eyes = WakeUp(handed_on), FourEyes(policy, handed_on)
        next_run = NextRun(reverse, self._status, [self._status, wake_up, four_eyes])
        self._movements = MovementRunner(reverse, self._owner, self._calls, self._status, wake_up, next_run)
        self._completion = Completion(self._status, next_run)
        self._closing = Closing(policy, reverse.casino_id, self._calls, self._status)
        self._actions = OperatorActions(four_eyes, self._status, self._movements, self._completion)

    @workflow.run
    async def run(self, reverse: Reverse) -> ReversalState | None:
        """Carry the reversal to its end. Return its terminal state, or None if another workflow owns it."""
        await self._completion.run_to_completion(self._carry_out)
        reversal = self._status.bet.reversal
        return reversal.state if reversal and reversal.owner == self._owner else None

    async def _carry_out(self) -> None:
        """Open the row; open the bet at the casino; take the win back; return the stake; close."""
        await self._open()
        if not self._is_ours():
            return
        if self._reverse.win and self._reverse.win.minor:
            await self._closing.reopen(self._reverse)
            step = await self._claw_back()
            if step.progress is Progress.DONE:
                step = await self._return_stake()
        else:
            step = await self._closing.reopen_beside(self._reverse, self._return_stake)
        if step.progress is not Progress.FOREIGN:
            await self._closing.close()
            self._status.show(self._reversal_state())

    @workflow.update(name="refund", description="Answers when both legs are done, or the casino has refused the first.")
    async def refund(self, call: Refund) -> BetRecord:
        """Answer the Refund with the bet's row and its reversal's, as soon as they decide it."""
        return await self._completion.wait_for_outcome(lambda record: answers.to_refund(record, call))

    @refund.validator
    def _check_refund(self, call: Refund) -> None:
        if call.bet not in (None, (self._reverse.counterparty_id, self._reverse.provider_bet_id)):
            raise ApplicationError("the call is not of this bet", type=Code.DIFFERENT_DATA)

    @workflow.signal(name="refund", description="The update without an answer, for a caller past its deadline.")
    def file_refund(self, call: Refund) -> None:
        """Do nothing: the reversal itself carries the Refund out."""

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

    async def _open(self) -> None:
        order = OpenReversal(
            bet_id=self._reverse.bet_id,
            owner=self._owner,
            resumed=self._reverse.resumed,
            proof=self._reverse.proof,
        )
        self._status.record = await self._calls.at_database(ClawBacks.open_reversal, order, "open the reversal")

    def _is_ours(self) -> bool:
        reversal = self._status.bet.reversal
        return reversal is not None and reversal.owner == self._owner and self._is_of(self._status.bet)

    def _is_of(self, bet: BetRecord) -> bool:
        """Return whether the rows agree with the argument: a person with access to Temporal may have written it."""
        paid = bet.win if bet.state is BetState.SETTLED else None
        reverse = self._reverse
        return (bet.casino_id, bet.stake, paid) == (reverse.casino_id, reverse.stake, reverse.win)

    async def _claw_back(self) -> Step:
        """Open window after window for as long as the casino certainly has nothing and has refused nothing."""
        not_after = self._reverse.not_after
        while True:
            step = await self._movements.debit(self._debit(not_after))
            if step.progress is not Progress.ABSENT:
                return step
            not_after = workflow.now() + self._reverse.policy.message_lifetime

    def _debit(self, not_after: datetime) -> Debit[ClawBacks, ClawBack, ClawBack, MarkClawBack]:
        def order(second_look: bool) -> ClawBack:
            return ClawBack(reverse=self._reverse, owner=self._owner, not_after=not_after, second_look=second_look)

        def mark(taken: bool) -> MarkClawBack:
            return MarkClawBack(reverse=self._reverse, owner=self._owner, taken=taken)

        return taking_back(
            "take the win back",
            self._reverse.win or self._reverse.stake,
            not_after,
            fast=ClawBacks.try_claw_back,
            slow=ClawBacks.pursue_claw_back,
            find=ClawBacks.find_claw_back,
            order=order,
            mark=Marks.mark_claw_back,
            mark_order=mark,
        )

    async def _return_stake(self) -> Step:
        return await self._movements.credit(TransactionType.BET_RETURN, self._reverse.stake)

    def _reversal_state(self) -> str:
        reversal = self._status.bet.reversal
        return reversal.state if reversal else ""


async def start_reversal(reverse: Reverse) -> bool:
    """Start a reversal as the last act of its bet, which it outlives. Return False if it has begun already."""
    attributes = visibility.of_reversal(workflow.info().typed_search_attributes)
    try:
        await workflow.start_child_workflow(
            Reversal.run,
            reverse,
            id=reversal_workflow_id(BetKey(reverse.counterparty_id, reverse.provider_bet_id)),
            task_timeout=TASK_TIMEOUT,
            parent_close_policy=ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=attributes,
            static_summary=visibility.summary(reverse, attributes),
            static_details=visibility.details(reverse, attributes),
        )
    except WorkflowAlreadyStartedError:
        return False
    return True
