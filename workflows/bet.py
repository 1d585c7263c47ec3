"""The life of a bet: PayIn, then PayOut or Refund, then over; or PayInOut, and over. Money moves in ``run``; handlers
only file and wait."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.support.bet_actions import BetActions
from workflows.support.closing import Closing
from workflows.support.debit import Debit
from workflows.support.inbox import Inbox
from workflows.support.movements import Life
from workflows.support.successor import start_reversal

with workflow.unsafe.imports_passed_through():
    from activities.bet_records import BetRecords
    from activities.marks import Marks
    from activities.wallet import Wallet
    from betcore.domain import answers
    from betcore.domain.activity_inputs import FindStake, MarkStake, Pay, Progress, Step, TakeOver, TakeStake, Withdraw
    from betcore.domain.errors import Code
    from betcore.domain.ids import TransactionType
    from betcore.domain.messages import Accept, BetRecord, BetState, Operate, Operated, PayIn, PayOut, Refund
    from betcore.domain.money import Money
    from betcore.temporal import visibility


@workflow.defn(name="Bet")
class Bet:
    """One stake and its resolution. The first valid PayOut or Refund that is filed decides the outcome."""

    @workflow.init
    def __init__(self, pay_in: PayIn) -> None:
        self._pay_in = pay_in
        self._life = Life(pay_in, visibility.head_of_bet(pay_in), lambda more: self._inbox.hand_on(more))
        self._inbox = Inbox(pay_in, self._life.board)
        self._closing = Closing(self._life, pay_in.policy, pay_in.casino_id)
        self._actions = BetActions(pay_in, self._life, self._inbox)
        # While it waits for its PayOut: whether the row is to be read again.
        self._waits, self._rereads = False, False

    @workflow.run
    async def run(self, pay_in: PayIn) -> BetState | None:
        """Carry the bet to its end. Returns its terminal state, or None where another life owns the bet, or where the
        bet is not of the rows that it names."""
        await self._life.lead(self._story())
        record = self._life.record
        return record.state if record and record.owner == self._life.owner else None

    async def _story(self) -> None:
        if await self._is_ours():
            step = await self._take_stake()
            if step.progress is Progress.DONE:
                step = await self._settle_or_refund()
            if step.progress is not Progress.FOREIGN:
                self._life.board.show(self._life.bet.state)

    # What providers send

    @workflow.update(name="pay_in", description="Answers when the stake is taken, refused or taken back.")
    async def pay_in(self) -> BetRecord:
        """The bet's row as soon as it answers the PayIn."""
        return await self._life.answer(lambda record: answers.to_pay_in(record, self._pay_in))

    @workflow.update(name="pay_in_out", description="Answers when the bet is settled, refused or taken back.")
    async def pay_in_out(self) -> BetRecord:
        """The bet's row as soon as it answers the PayInOut."""
        return await self._life.answer(lambda record: answers.to_pay_in(record, self._pay_in))

    @workflow.update(name="pay_out", description="Settles the bet; answers when the player has the money.")
    async def pay_out(self, call: PayOut) -> BetRecord:
        """File the PayOut; the bet's row as soon as it answers it."""
        self._inbox.file(call)
        return await self._life.answer(lambda record: answers.to_pay_out(record, call))

    @workflow.update(name="refund", description="Returns the stake; answers when the player has it back.")
    async def refund(self, call: Refund) -> BetRecord:
        """File the Refund; the bet's row as soon as it answers it, or says that a reversal will."""
        self._inbox.file(call)
        return await self._life.answer(lambda record: answers.to_refund(record, call))

    @workflow.signal(name="pay_out", description="As the update, for a caller that has stopped waiting.")
    def file_pay_out(self, call: PayOut) -> None:
        """File the PayOut."""
        self._inbox.file(call)

    @workflow.signal(name="refund", description="As the update, for a caller that has stopped waiting.")
    def file_refund(self, call: Refund) -> None:
        """File the Refund."""
        self._inbox.file(call)

    # What the casino and operators send

    @workflow.signal(name="accept", description="The casino has confirmed or refused a movement: its row says how.")
    def accept(self, accept: Accept) -> None:
        """Look at the movement's row now."""
        self._life.nudge(accept)

    @workflow.update(name="recheck", description="The row says that money is owed: read it again.")
    async def recheck(self) -> None:
        """Read the row again: a message may be lost whose attempt has begun to pay."""
        self._rereads = True

    @recheck.validator
    def _check_recheck(self) -> None:
        if not self._waits:
            raise ApplicationError("it does not wait for a message", type=Code.OUTCOME_UNKNOWN)

    @workflow.update(name="operate", description="An operator's action: retry, settle, void, or a mark.")
    async def operate(self, order: Operate) -> Operated:
        """Take the action, or propose it to a second operator."""
        return self._life.operate(order, self._actions.concern(order), lambda: self._actions.take(order))

    @operate.validator
    def _check_operate(self, order: Operate) -> None:
        self._life.check_operation(order, self._actions.concern(order), self._actions.why_not(order))

    @pay_out.validator
    def _check_pay_out(self, call: PayOut) -> None:
        self._inbox.check(call)

    @refund.validator
    def _check_refund(self, call: Refund) -> None:
        self._inbox.check(call)

    # The stake

    async def _is_ours(self) -> bool:
        """Whether this life may move the bet's money; a bet whose workflow is gone is taken over from it."""
        if self._pay_in.resumed is None:
            return True
        order = TakeOver(resumed=self._pay_in.resumed, owner=self._life.owner)
        self._life.record = await self._life.lanes.rows(BetRecords.take_over, order, "take the bet over")
        return self._life.bet.owner == self._life.owner

    async def _take_stake(self) -> Step:
        step = await self._life.debit(
            Debit(
                Wallet.try_stake,
                Wallet.pursue_stake,
                Wallet.find_stake,
                Marks.mark_stake,
                TransactionType.ACCEPT_BET,
                "debit the stake",
                self._pay_in.stake,
                self._stake_order,
                self._look_order,
                self._mark_order,
                self._pay_in.not_after,
            )
        )
        if step.progress is Progress.DONE and self._life.board.needs_attention:
            self._life.board.show("open")
        return step

    def _stake_order(self) -> TakeStake:
        refund_filed = isinstance(self._inbox.first, Refund)
        return TakeStake(pay_in=self._pay_in, owner=self._life.owner, refund_filed=refund_filed)

    def _look_order(self, second_look: bool) -> FindStake:
        return FindStake(
            pay_in=self._pay_in,
            bet_id=self._life.bet.bet_id,
            owner=self._life.owner,
            second_look=second_look,
            refund_filed=isinstance(self._inbox.first, Refund),
        )

    def _mark_order(self, taken: bool) -> MarkStake:
        bet_id, owner, refund_filed = self._life.bet.bet_id, self._life.owner, isinstance(self._inbox.first, Refund)
        return MarkStake(pay_in=self._pay_in, bet_id=bet_id, owner=owner, taken=taken, refund_filed=refund_filed)

    # The outcome

    async def _settle_or_refund(self) -> Step:
        asked, win = await self._resolved()
        step = await self._pay(asked, win)
        if step.progress is not Progress.FOREIGN:
            self._inbox.tell_if_overruled(asked, self._life.bet)
        if step.progress is Progress.REFUSED:
            # An attempt whose message is lost has begun the other one, or has taken the bet back.
            step = await self._pay(*self._by_the_row())
        if step.progress is Progress.DONE:
            await self._closing.close(unless=self._is_to_be_reversed)
            await self._reverse_if_asked()
        return step

    async def _resolved(self) -> tuple[PayOut | Refund | None, Money | None]:
        """What decides (no message: time, the PayInOut, the row), and the win; without one the stake goes back."""
        bet, win = self._life.bet, self._pay_in.win
        if bet.state is BetState.ACCEPTANCE and bet.withdrawn_at is None:
            if win is not None and not self._inbox:
                return None, win
            if resolution := await self._message():
                return resolution, resolution.win if isinstance(resolution, PayOut) else None
        return self._by_the_row()

    def _by_the_row(self) -> tuple[None, Money | None]:
        bet = self._life.bet
        return None, bet.win if bet.state in (BetState.SETTLING, BetState.SETTLED) else None

    async def _message(self) -> PayOut | Refund | None:
        """The first PayOut or Refund; None where time, or the row, has decided."""
        unconfirmed = self._pay_in.policy.unconfirmed_within
        if await self._filed_within(unconfirmed, "until the stake goes back unless somebody was told"):
            return self._inbox.first
        while True:
            order = Withdraw(bet_id=self._life.bet.bet_id, owner=self._life.owner)
            what = "take the bet back if nobody was told"
            self._life.record = await self._life.lanes.rows(BetRecords.withdraw, order, what)
            if self._life.bet.withdrawn_at is not None:
                self._life.board.say("nobody was told that the bet stands: its stake goes back")
                return None
            if self._life.bet.state is not BetState.ACCEPTANCE:
                return None
            if await self._filed_before_overdue():
                return self._inbox.first

    async def _filed_before_overdue(self) -> bool:
        left, renewal = max(self._pay_in.settle_by - workflow.now(), timedelta()), self._life.renewal
        self._rereads, self._waits = False, True
        if not await self._filed_within(left, "until the bet is overdue", lambda: renewal.is_due):
            self._life.board.attention("overdue")
            if self._pay_in.policy.on_overdue == "hold":
                await workflow.wait_condition(lambda: bool(self._inbox or self._rereads or renewal.is_due))
        self._waits = False
        if not self._inbox:
            await renewal.if_due()
        return bool(self._inbox) or not self._rereads

    async def _filed_within(self, time: timedelta, summary: str, unless: Callable[[], bool] = lambda: False) -> bool:
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: bool(self._inbox or self._rereads or unless()), timeout=time, timeout_summary=summary
            )
            return True
        return False

    async def _pay(self, asked: PayOut | Refund | None, win: Money | None) -> Step:
        kind = TransactionType.BET_RETURN if win is None else TransactionType.PAY_OUT
        amount, policy = self._pay_in.stake if win is None else win, self._pay_in.policy
        return await self._life.credit(
            Pay(
                bet_id=self._life.bet.bet_id,
                owner=self._life.owner,
                casino_id=self._pay_in.casino_id,
                partner_user_id=self._pay_in.partner_user_id,
                transaction_type=kind,
                amount=amount,
                attempt_timeout=policy.attempt_timeout,
                sends=policy.fast_attempts,
                retry=policy.retry,
                accept_within=policy.accept_within,
                message=asked and asked.name,
                filed_at=self._inbox.filed_at,
            )
        )

    async def _reverse_if_asked(self) -> None:
        """A Refund that came while the win was being paid is carried out by a reversal; from here on it is durable
        there, whoever waits for it."""
        if not self._is_to_be_reversed():
            return
        reverse = self._closing.before(self._pay_in.reversed(self._life.bet, workflow.now()))
        if not await start_reversal(reverse):
            self._life.board.say("its reversal has begun already")

    def _is_to_be_reversed(self) -> bool:
        return self._life.bet.state is BetState.SETTLED and self._inbox.asks_to_reverse(self._life.bet)
