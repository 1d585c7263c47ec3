"""The reversal of a bet that has ended: the win is taken back, if there was one, and then the stake returned.

The win first: it is the leg that can fail. Where the casino refuses it nothing else moves, and the bet stays settled.
"""

from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.support.closing import Closing
from workflows.support.debit import Debit
from workflows.support.four_eyes import Concern
from workflows.support.movements import Life

with workflow.unsafe.imports_passed_through():
    from activities.claw_backs import ClawBacks
    from activities.marks import Marks
    from betcore.domain import answers
    from betcore.domain.activity_inputs import ClawBack, MarkClawBack, OpenReversal, Pay, Progress, Step
    from betcore.domain.errors import Code
    from betcore.domain.ids import TransactionType
    from betcore.domain.messages import Accept, BetRecord, BetState, Operate, Operated, Refund, ReversalState, Reverse
    from betcore.temporal import visibility


@workflow.defn(name="Reversal")
class Reversal:
    """A saga of two legs with a row of its own, beside the bet's."""

    @workflow.init
    def __init__(self, reverse: Reverse) -> None:
        self._reverse = reverse
        self._life = Life(reverse, visibility.head_of_reversal(reverse))
        self._closing = Closing(self._life, reverse.policy, reverse.casino_id)

    @workflow.run
    async def run(self, reverse: Reverse) -> ReversalState | None:
        """Carry the reversal to its end. Returns its terminal state, or None where another life owns it."""
        await self._life.lead(self._story())
        reversal = self._life.bet.reversal
        return reversal.state if reversal and reversal.owner == self._life.owner else None

    async def _story(self) -> None:
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
            self._life.board.show(self._reversal_state())

    @workflow.update(name="refund", description="Answers when both legs are done, or the casino has refused the first.")
    async def refund(self, call: Refund) -> BetRecord:
        """The bet with its reversal as soon as they answer the Refund."""
        return await self._life.answer(lambda record: answers.to_refund(record, call))

    @refund.validator
    def _check_refund(self, call: Refund) -> None:
        if call.bet not in (None, (self._reverse.counterparty_id, self._reverse.provider_bet_id)):
            raise ApplicationError("the call is not of this bet", type=Code.DIFFERENT_DATA)

    @workflow.signal(
        name="refund", description="A Refund of a caller that has stopped waiting; it is under way already."
    )
    def file_refund(self, call: Refund) -> None:
        """Nothing to file: that the reversal runs is the Refund."""

    @workflow.signal(name="accept", description="The casino has confirmed or refused a movement: its row says how.")
    def accept(self, accept: Accept) -> None:
        """Look at the movement's row now."""
        self._life.nudge(accept)

    @workflow.update(name="operate", description="An operator's action: retry, or a mark.")
    async def operate(self, order: Operate) -> Operated:
        """Take the action, or propose it to a second operator."""
        return self._life.operate(order, Concern(), self._life.nudge)

    @operate.validator
    def _check_operate(self, order: Operate) -> None:
        self._life.check_operation(order, Concern(), self._life.why_not(order))

    async def _open(self) -> None:
        order = OpenReversal(bet_id=self._reverse.bet_id, owner=self._life.owner, resumed=self._reverse.resumed)
        self._life.record = await self._life.lanes.rows(ClawBacks.open_reversal, order, "open the reversal")

    def _is_ours(self) -> bool:
        reversal = self._life.bet.reversal
        return reversal is not None and reversal.owner == self._life.owner and self._is_of(self._life.bet)

    def _is_of(self, bet: BetRecord) -> bool:
        """Whether the rows say the same as the argument, which anybody may have written who starts a workflow."""
        paid = bet.win if bet.state is BetState.SETTLED else None
        reverse = self._reverse
        return (bet.casino_id, bet.stake, paid) == (reverse.casino_id, reverse.stake, reverse.win)

    async def _claw_back(self) -> Step:
        """A window follows another one for as long as the casino certainly has nothing and has refused nothing."""
        not_after = self._reverse.not_after
        while True:
            step = await self._life.debit(self._debit(not_after))
            if step.progress is not Progress.ABSENT:
                return step
            not_after = workflow.now() + self._reverse.policy.message_lifetime

    def _debit(self, not_after: datetime) -> Debit:
        def marked(taken: bool) -> MarkClawBack:
            return MarkClawBack(reverse=self._reverse, owner=self._life.owner, taken=taken)

        def order(second_look: bool = False) -> ClawBack:
            return ClawBack(reverse=self._reverse, owner=self._life.owner, not_after=not_after, second_look=second_look)

        return Debit(
            ClawBacks.try_claw_back,
            ClawBacks.pursue_claw_back,
            ClawBacks.find_claw_back,
            Marks.mark_claw_back,
            TransactionType.PAY_OUT_RETURN,
            "take the win back",
            self._reverse.win or self._reverse.stake,
            order,
            order,
            marked,
            not_after,
        )

    async def _return_stake(self) -> Step:
        reverse, policy = self._reverse, self._reverse.policy
        return await self._life.credit(
            Pay(
                bet_id=reverse.bet_id,
                owner=self._life.owner,
                casino_id=reverse.casino_id,
                partner_user_id=reverse.partner_user_id,
                transaction_type=TransactionType.BET_RETURN,
                amount=reverse.stake,
                attempt_timeout=policy.attempt_timeout,
                sends=policy.fast_attempts,
                retry=policy.retry,
                accept_within=policy.accept_within,
                reverses=True,
            )
        )

    def _reversal_state(self) -> str:
        reversal = self._life.bet.reversal
        return reversal.state if reversal else ""
