"""The workflow of one bet: a PayIn, then a PayOut or a Refund; or a PayInOut, which is both at once.

Money moves in ``run``; handlers only file and wait.
"""

from temporalio import workflow

from workflows.reversal import start_reversal
from workflows.support.activity_calls import ActivityCalls
from workflows.support.bet_actions import BetActions
from workflows.support.closing import Closing
from workflows.support.completion import Completion
from workflows.support.continue_as_new import NextRun
from workflows.support.four_eyes import FourEyes
from workflows.support.inbox import Inbox
from workflows.support.movements import MovementRunner
from workflows.support.resolution import Resolution, ResolutionWait
from workflows.support.sending import Debit, Sending
from workflows.support.status import StatusReporter
from workflows.support.wake import WakeUp

with workflow.unsafe.imports_passed_through():
    from activities.bet_records import BetRecords
    from activities.marks import Marks
    from activities.wallet import Wallet
    from betcore.domain import answers
    from betcore.domain.activity_inputs import FindStake, MarkStake, Progress, Step, TakeOver, TakeStake
    from betcore.domain.bet import BetRecord, BetState
    from betcore.domain.ids import TransactionType
    from betcore.domain.messages import Accept, Operate, Operated, PayIn, PayOut, Refund
    from betcore.domain.proof import Proof
    from betcore.temporal import visibility
    from betcore.temporal.visibility import Timeline


@workflow.defn(name="Bet")
class Bet:
    """One stake and its resolution. The first valid PayOut or Refund that is filed decides the outcome.

    An update answers with the bet's row as soon as the row decides the call.
    """

    @workflow.init
    def __init__(self, pay_in: PayIn) -> None:
        policy, handed_on = pay_in.policy, pay_in.handed_on
        self._pay_in = pay_in
        self._owner = workflow.info().first_execution_run_id
        self._calls = ActivityCalls(policy, pay_in.casino_id)
        timeline = Timeline(visibility.head_of_bet(pay_in), pay_in.settle_by)
        self._status = StatusReporter(timeline, self._calls, handed_on)
        self._inbox = Inbox(pay_in, self._status)
        wake_up, four_eyes = WakeUp(handed_on), FourEyes(policy, handed_on)
        next_run = NextRun(pay_in, self._status, [self._status, wake_up, four_eyes, self._inbox])
        self._movements = MovementRunner(pay_in, self._owner, self._calls, self._status, wake_up, next_run)
        self._resolution = ResolutionWait(pay_in, self._owner, self._calls, self._status, self._inbox, next_run)
        self._completion = Completion(self._status, next_run)
        self._closing = Closing(policy, pay_in.casino_id, self._calls, self._status)
        self._actions = BetActions(pay_in, self._inbox, four_eyes, self._status, self._movements, self._completion)

    @workflow.run
    async def run(self, pay_in: PayIn) -> BetState | None:
        """Carry the bet to its end.

        Return its terminal state. Return None if another workflow owns the bet, or if the argument's session, player,
        casino and game do not belong together.
        """
        await self._completion.run_to_completion(self._carry_out)
        record = self._status.known_bet
        return record.state if record and record.owner == self._owner else None

    async def _carry_out(self) -> None:
        """Open and debit; wait for the resolution; pay out or return; close; reverse if asked."""
        if not await self._take_over_if_resumed():
            return
        step = await self._open_and_debit()
        if step.progress is Progress.DONE and not step.settled:
            step = await self._resolve()
        if step.progress is Progress.DONE:
            await self._closing.close(unless=self._is_to_be_reversed)
            await self._reverse_if_asked()
        if step.progress is not Progress.FOREIGN:
            self._status.show(self._status.bet.state)

    # What providers send

    @workflow.update(name="pay_in", description="Answers when the stake is taken, refused or taken back.")
    async def pay_in(self) -> BetRecord:
        """Answer the PayIn; its stake moves in ``run``."""
        return await self._completion.wait_for_outcome(lambda record: answers.to_pay_in(record, self._pay_in))

    @workflow.update(name="pay_in_out", description="Answers when the bet is settled, refused or taken back.")
    async def pay_in_out(self) -> BetRecord:
        """Answer the PayInOut; stake and win move in ``run``."""
        return await self._completion.wait_for_outcome(lambda record: answers.to_pay_in(record, self._pay_in))

    @workflow.update(name="pay_out", description="Settles the bet; answers when the player has the money.")
    async def pay_out(self, call: PayOut) -> BetRecord:
        """File the PayOut and answer it."""
        self._inbox.file(call)
        return await self._completion.wait_for_outcome(lambda record: answers.to_pay_out(record, call))

    @workflow.update(name="refund", description="Returns the stake; answers when the player has it back.")
    async def refund(self, call: Refund) -> BetRecord:
        """File the Refund and answer it, if need be by a row that says that a reversal will carry it out."""
        self._inbox.file(call)
        return await self._completion.wait_for_outcome(lambda record: answers.to_refund(record, call))

    @workflow.signal(name="pay_out", description="The update without an answer, for a caller past its deadline.")
    def file_pay_out(self, call: PayOut) -> None:
        """File the PayOut."""
        self._inbox.file(call)

    @workflow.signal(name="refund", description="The update without an answer, for a caller past its deadline.")
    def file_refund(self, call: Refund) -> None:
        """File the Refund."""
        self._inbox.file(call)

    # What the casino and operators send

    @workflow.signal(name="accept", description="The casino has confirmed or refused a movement: its row says how.")
    def accept(self, accept: Accept) -> None:
        """Have the movement's row read now."""
        self._movements.wake(accept)

    @workflow.update(name="recheck", description="The row says that money is owed: read it again.")
    async def recheck(self) -> None:
        """Have the row read again: a PayOut or Refund may be lost after its attempt has begun to pay."""
        self._resolution.reread()

    @recheck.validator
    def _check_recheck(self) -> None:
        self._resolution.check_reread()

    @workflow.update(name="operate", description="An operator's action: retry, settle, void, or a mark.")
    async def operate(self, order: Operate) -> Operated:
        """Take the action, or propose it to a second operator."""
        return self._actions.operate(order)

    @operate.validator
    def _check_operate(self, order: Operate) -> None:
        self._actions.check(order)

    @pay_out.validator
    def _check_pay_out(self, call: PayOut) -> None:
        self._inbox.check(call)

    @refund.validator
    def _check_refund(self, call: Refund) -> None:
        self._inbox.check(call)

    # The stake

    async def _take_over_if_resumed(self) -> bool:
        """Take the bet over if its workflow is gone; return whether this workflow may move its money."""
        if self._pay_in.resumed is None:
            return True
        order = TakeOver(resumed=self._pay_in.resumed, owner=self._owner)
        self._status.record = await self._calls.at_database(BetRecords.take_over, order, "take the bet over")
        return self._status.bet.owner == self._owner

    async def _open_and_debit(self) -> Step:
        step = await self._movements.debit(self._stake_debit())
        if step.progress is Progress.DONE and self._status.needs_attention:
            self._status.show("open")
        return step

    def _stake_debit(self) -> Debit[Wallet, TakeStake, FindStake, MarkStake]:
        return Debit(
            sending=Sending(
                transaction_type=TransactionType.ACCEPT_BET,
                summary="debit the stake",
                fast=Wallet.try_stake,
                slow=Wallet.pursue_stake,
                input=self._take_stake,
            ),
            amount=self._pay_in.stake,
            not_after=self._pay_in.not_after,
            find=Wallet.find_stake,
            find_input=self._find_stake,
            mark=Marks.mark_stake,
            mark_input=self._mark_stake,
        )

    def _take_stake(self) -> TakeStake:
        return TakeStake(
            pay_in=self._pay_in,
            owner=self._owner,
            refund_filed=self._is_refund_filed,
            refund_proof=self._refund_proof,
        )

    def _find_stake(self, second_look: bool) -> FindStake:
        return FindStake(
            pay_in=self._pay_in,
            bet_id=self._status.bet.bet_id,
            owner=self._owner,
            second_look=second_look,
            refund_filed=self._is_refund_filed,
            refund_proof=self._refund_proof,
        )

    def _mark_stake(self, taken: bool) -> MarkStake:
        return MarkStake(
            pay_in=self._pay_in,
            bet_id=self._status.bet.bet_id,
            owner=self._owner,
            taken=taken,
            refund_filed=self._is_refund_filed,
            refund_proof=self._refund_proof,
        )

    @property
    def _is_refund_filed(self) -> bool:
        return isinstance(self._inbox.first, Refund)

    @property
    def _refund_proof(self) -> Proof | None:
        return self._inbox.proof_of_refund if self._is_refund_filed else None

    # The outcome

    async def _resolve(self) -> Step:
        """Wait for the resolution and carry it out; if operators refuse its win, wait for another one."""
        while True:
            step = await self._pay_out_or_return(await self._resolution.wait())
            if step.progress is not Progress.WIN_REFUSED:
                return step
            if self._pay_in.win is None:
                self._inbox.drop_first()

    async def _pay_out_or_return(self, resolution: Resolution) -> Step:
        step = await self._credit(resolution)
        if step.progress is Progress.WIN_REFUSED:
            return step
        if step.progress is not Progress.FOREIGN:
            self._inbox.report_if_overruled(resolution.asked, self._status.bet)
        if step.progress is Progress.REFUSED:
            # The row has the other outcome: an attempt whose message was lost has begun it, or the bet was taken back.
            step = await self._credit(self._resolution.by_the_row())
        if step.progress is Progress.DONE and (jackpot := self._status.bet.jackpot_due):
            step = await self._movements.credit(TransactionType.JACKPOT_PAY_OUT, jackpot)
        return step

    async def _credit(self, resolution: Resolution) -> Step:
        transaction_type, amount = TransactionType.PAY_OUT, resolution.win
        if amount is None:
            transaction_type, amount = TransactionType.BET_RETURN, self._pay_in.stake
        return await self._movements.credit(
            transaction_type,
            amount,
            asked=resolution.asked,
            filed_at=self._inbox.filed_at,
            jackpot=resolution.jackpot,
        )

    # The end

    async def _reverse_if_asked(self) -> None:
        """Start a reversal for a Refund that came while the win was being paid."""
        if not self._is_to_be_reversed():
            return
        reverse = self._closing.before(
            self._pay_in.reversed(self._status.bet, workflow.now(), self._inbox.proof_of_refund)
        )
        if not await start_reversal(reverse):
            self._status.say("its reversal has begun already")

    def _is_to_be_reversed(self) -> bool:
        return self._status.bet.state is BetState.SETTLED and self._inbox.asks_to_reverse(self._status.bet)
