"""The life of a bet: PayIn, then PayOut or Refund, then over. Money moves in ``run``; handlers only file and wait."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate
from temporalio.exceptions import ApplicationError

from workflows.lanes import Lanes

with workflow.unsafe.imports_passed_through():
    from activities.bets import BetRows
    from activities.wallet import Wallet
    from betcore import answers
    from betcore.errors import Code
    from betcore.ids import TransactionType
    from betcore.messages import (
        BetRecord,
        BetState,
        CloseAtCasino,
        FindStake,
        Incident,
        Pay,
        PayIn,
        PayOut,
        Progress,
        Refund,
        Step,
        TakeStake,
        Withdraw,
    )
    from betcore.money import Money
    from betcore.visibility import BET_STATUS, NEEDS_ATTENTION, Timeline


@workflow.defn(name="Bet")
class Bet:
    """One stake and its resolution. The first valid PayOut or Refund that is filed decides the outcome."""

    @workflow.init
    def __init__(self, pay_in: PayIn) -> None:
        self._pay_in = pay_in
        self._owner = workflow.info().first_execution_run_id
        self._record: BetRecord | None = None
        self._resolution: PayOut | Refund | None = None
        self._filed_at: datetime | None = None
        self._over = False
        self._incidents: list[Incident] = []
        self._needs_attention = False
        self._timeline = Timeline(pay_in)
        self._lanes = Lanes(pay_in.policy, pay_in.casino_id)

    @workflow.run
    async def run(self, pay_in: PayIn) -> BetState | None:
        """Carry the bet to its end. Returns its terminal state, or None where another life owns the bet."""
        clerk, life = asyncio.create_task(self._clerk()), asyncio.create_task(self._live())
        while not life.done():
            try:
                await asyncio.shield(life)
            except asyncio.CancelledError:
                # Money in motion does not stop because somebody pressed a button; a person hears of it.
                self._say("cancellation asked for and not followed")
                self._contradiction("cancelled", {}, {"asked": "cancel"})
        clerk.cancel()
        return life.result()

    async def _live(self) -> BetState | None:
        step = await self._take_stake()
        if step.progress is Progress.DONE:
            step = await self._settle_or_refund()
        if step.progress is Progress.FOREIGN:
            # Another life of this bet owns the row: it is answered from, and nothing moves here.
            await self._leave()
            return None
        return await self._end()

    # What providers send

    @workflow.update(name="pay_in", description="Answers when the stake is taken, refused or taken back.")
    async def pay_in(self) -> BetRecord:
        """The bet's row as soon as it answers the PayIn."""
        return await self._answer(lambda record: answers.to_pay_in(record, self._pay_in))

    @workflow.update(name="pay_out", description="Settles the bet; answers when the player has the money.")
    async def pay_out(self, call: PayOut) -> BetRecord:
        """File the PayOut; the bet's row as soon as it answers it."""
        self._file(call)
        return await self._answer(lambda record: answers.to_pay_out(record, call))

    @workflow.update(name="refund", description="Returns the stake; answers when the player has it back.")
    async def refund(self, call: Refund) -> BetRecord:
        """File the Refund; the bet's row as soon as it answers it."""
        self._file(call)
        return await self._answer(lambda record: answers.to_refund(record, call))

    @workflow.signal(name="pay_out", description="As the update, for a caller that has stopped waiting.")
    def file_pay_out(self, call: PayOut) -> None:
        """File the PayOut."""
        self._file(call)

    @workflow.signal(name="refund", description="As the update, for a caller that has stopped waiting.")
    def file_refund(self, call: Refund) -> None:
        """File the Refund."""
        self._file(call)

    def _check(self, call: PayOut | Refund) -> None:
        # A rejected update leaves no trace: the provider may still send the right call under the same id.
        if answers.contradicts(self._record or self._pay_in, call):
            raise ApplicationError("the call is not of this bet", type=Code.DIFFERENT_DATA)

    @pay_out.validator
    def _check_pay_out(self, call: PayOut) -> None:
        self._check(call)

    @refund.validator
    def _check_refund(self, call: Refund) -> None:
        self._check(call)

    def _file(self, call: PayOut | Refund) -> None:
        filed = self._resolution
        if answers.contradicts(self._record or self._pay_in, call):
            self._contradiction(Code.DIFFERENT_DATA, self._pay_in.facts(), call.facts())
        elif filed is None:
            self._resolution, self._filed_at = call, workflow.now()
            self._say(f"{call} filed")
        elif answers.conflicts(filed, call):
            self._contradiction(Code.DIFFERENT_DATA, filed.facts(), call.facts())

    async def _answer(self, answer: Callable[[BetRecord], Code | None]) -> BetRecord:
        def known() -> bool:
            return self._record is not None and answer(self._record) is not Code.OUTCOME_UNKNOWN

        await workflow.wait_condition(lambda: self._over or known())
        if self._record is None:
            raise ApplicationError("the bet ended without a row", type=Code.OUTCOME_UNKNOWN)
        return self._record

    # The stake

    async def _take_stake(self) -> Step:
        what = "debit the stake"
        step = self._took(what, await self._lanes.fast(Wallet.try_stake, self._stake_order(), what))
        if step.progress is Progress.UNKNOWN:
            self._attention("unknown")
            step = self._took(what, await self._lanes.slow(Wallet.pursue_stake, self._stake_order(), what))
        if step.progress is Progress.UNKNOWN:
            step = await self._find_stake()
        if step.progress is Progress.PARKED:
            await self._parked()
        if step.progress is Progress.DONE and self._needs_attention:
            self._show("open")
        return step

    def _stake_order(self) -> TakeStake:
        return TakeStake(pay_in=self._pay_in, owner=self._owner, refund_filed=isinstance(self._resolution, Refund))

    async def _find_stake(self) -> Step:
        """The debit may not be sent any more: look for it, twice, once no old message of ours can still take effect."""
        policy, what = self._pay_in.policy, "look for the debit"
        wait, second_look = self._pay_in.not_after + policy.absence_after - workflow.now(), False
        while True:
            await workflow.sleep(max(wait, timedelta()), summary="until an old debit can no longer take effect")
            order = FindStake(
                pay_in=self._pay_in,
                bet_id=self._bet().bet_id,
                owner=self._owner,
                second_look=second_look,
                refund_filed=isinstance(self._resolution, Refund),
            )
            step = self._took(what, await self._lanes.slow(Wallet.find_stake, order, what))
            if step.progress is not Progress.UNKNOWN:
                return step
            wait, second_look = policy.effect_within, True

    async def _settle_or_refund(self) -> Step:
        resolution = await self._resolved()
        if isinstance(resolution, PayOut):
            step = await self._credit(TransactionType.PAY_OUT, resolution.win, resolution)
        else:
            step = await self._credit(TransactionType.BET_RETURN, self._pay_in.stake, resolution)
        if step.progress is Progress.DONE:
            await self._close_at_casino()
        return step

    async def _resolved(self) -> PayOut | Refund | None:
        """The PayOut or Refund that decides the bet; None where time has decided that the stake goes back."""
        unconfirmed = self._pay_in.policy.unconfirmed_within
        if not await self._filed_within(unconfirmed, "until the stake goes back unless somebody was told"):
            order = Withdraw(bet_id=self._bet().bet_id, owner=self._owner)
            record: BetRecord = await self._lanes.rows(BetRows.withdraw, order, "take the bet back if nobody was told")
            self._record = record
            if record.withdrawn_at is not None:
                self._say("nobody was told that the bet stands: its stake goes back")
                return None
            await self._filed_before_overdue()
        return self._resolution

    async def _filed_before_overdue(self) -> None:
        left = max(self._pay_in.settle_by - workflow.now(), timedelta())
        if not await self._filed_within(left, "until the bet is overdue"):
            self._attention("overdue")
            if self._pay_in.policy.on_overdue == "hold":
                await workflow.wait_condition(lambda: self._resolution is not None)

    async def _filed_within(self, time: timedelta, summary: str) -> bool:
        try:
            await workflow.wait_condition(lambda: self._resolution is not None, timeout=time, timeout_summary=summary)
        except TimeoutError:
            return False
        return True

    async def _credit(self, kind: TransactionType, amount: Money, asked: PayOut | Refund | None) -> Step:
        policy = self._pay_in.policy
        order = Pay(
            bet_id=self._bet().bet_id,
            owner=self._owner,
            casino_id=self._pay_in.casino_id,
            partner_user_id=self._pay_in.partner_user_id,
            transaction_type=kind,
            amount=amount,
            attempt_timeout=policy.attempt_timeout,
            sends=policy.fast_attempts,
            retry=policy.retry,
            message=asked and asked.name,
            filed_at=self._filed_at,
        )
        what = f"{'pay out' if kind is TransactionType.PAY_OUT else 'return'} {amount.currency} {amount}"
        step = self._took(what, await self._lanes.fast(Wallet.try_credit, order, what))
        if step.progress is Progress.UNKNOWN:
            self._attention("owed")
            step = self._took(what, await self._lanes.slow(Wallet.pursue_credit, order, what, owed=True))
        if step.progress is Progress.PARKED:
            await self._parked()
        return step

    async def _close_at_casino(self) -> None:
        policy = self._pay_in.policy
        if policy.close:
            order = CloseAtCasino(
                bet_id=self._bet().bet_id,
                casino_id=self._pay_in.casino_id,
                attempt_timeout=policy.attempt_timeout,
            )
            await self._lanes.slow(Wallet.close_at_casino, order, "close the bet at the casino")

    async def _parked(self) -> None:
        """A person has to decide; no clock does it for them."""
        self._attention("parked")
        await workflow.wait_condition(lambda: False)

    async def _end(self) -> BetState:
        state = self._bet().state
        self._show(state)
        await self._leave()
        return state

    async def _leave(self) -> None:
        self._over = True
        await workflow.wait_condition(lambda: not self._incidents and workflow.all_handlers_finished())

    async def _clerk(self) -> None:
        """Writes contradictions down as they come, whatever the bet is waiting for."""
        while True:
            await workflow.wait_condition(lambda: bool(self._incidents))
            await self._lanes.slow(BetRows.file_incident, self._incidents[0], "file an incident")
            self._incidents.pop(0)

    def _took(self, what: str, step: Step) -> Step:
        if step.record is not None:
            self._record = step.record
        self._say(f"{what}: {step.progress}{f' ({step.detail})' if step.detail else ''}")
        return step

    # What people see

    def _bet(self) -> BetRecord:
        if self._record is None:
            raise RuntimeError("no row was read yet")
        return self._record

    def _attention(self, status: str) -> None:
        self._show(status, attention=True)
        self._say(f"needs attention: {status}")

    def _show(self, status: str, *, attention: bool = False) -> None:
        shown: list[SearchAttributeUpdate[Any]] = [BET_STATUS.value_set(status)]
        if attention != self._needs_attention:
            self._needs_attention = attention
            shown.append(NEEDS_ATTENTION.value_set(attention))
        workflow.upsert_search_attributes(shown)

    def _say(self, what: str) -> None:
        workflow.set_current_details(self._timeline.add(workflow.now(), what, self._record))

    def _contradiction(self, kind: str, ours: dict[str, str], theirs: dict[str, str]) -> None:
        bet_id = self._record.bet_id if self._record else None
        self._incidents.append(Incident(bet_id=bet_id, kind=kind, ours=ours, theirs=theirs))
