"""What all workflows that move money have in common: how a movement is brought to its end, and what people see.

A life ends only when its rows are terminal, or when another life owns them. What goes wrong on the way is waited out.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate
from temporalio.exceptions import ApplicationError

from workflows.lanes import Lanes

with workflow.unsafe.imports_passed_through():
    from activities.bets import BetRows
    from activities.wallet import Wallet
    from betcore.errors import Code
    from betcore.ids import TransactionType
    from betcore.messages import BetPolicy, BetRecord
    from betcore.orders import CloseAtCasino, Incident, Pay, Progress, Step
    from betcore.visibility import BET_STATUS, NEEDS_ATTENTION, Timeline


class Debit(NamedTuple):
    """The three activities of a debit, and what it is called. ``order`` and ``look`` make what they are asked with;
    ``look`` is told whether it is the second one."""

    attempt: Any
    pursue: Any
    find: Any
    what: str
    order: Callable[[], Any]
    look: Callable[[bool], Any]
    not_after: datetime


class Life:
    """One workflow's hold on a bet or a reversal."""

    def __init__(self, policy: BetPolicy, casino_id: int, head: str) -> None:
        self.owner = workflow.info().first_execution_run_id
        self.record: BetRecord | None = None
        self.lanes = Lanes(policy, casino_id)
        self.needs_attention = False
        self._policy = policy
        self._casino_id = casino_id
        self._timeline = Timeline(head)
        self._incidents: list[Incident] = []
        self._over = False

    @property
    def bet(self) -> BetRecord:
        """The rows as they were last read; there are some."""
        if self.record is None:
            raise RuntimeError("no row was read yet")
        return self.record

    async def lead(self, story: Coroutine[Any, Any, None]) -> None:
        """Carry a story to its end, whatever is asked of the workflow meanwhile; leave when everybody is answered."""
        clerk, life = asyncio.create_task(self._clerk()), asyncio.create_task(self._to_its_end(story))
        while not life.done():
            try:
                await asyncio.shield(life)
            except asyncio.CancelledError:
                # Money in motion does not stop because somebody pressed a button; a person hears of it.
                self.say("cancellation asked for and not followed")
                self.contradiction("cancelled", {}, {"asked": "cancel"})
        clerk.cancel()
        life.result()

    async def _to_its_end(self, story: Coroutine[Any, Any, None]) -> None:
        await story
        self._over = True
        await workflow.wait_condition(lambda: not self._incidents and workflow.all_handlers_finished())

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
        step = self._took(debit.what, await self.lanes.fast(debit.attempt, debit.order(), debit.what))
        if step.progress is Progress.UNKNOWN:
            self.attention("unknown")
            step = self._took(debit.what, await self.lanes.slow(debit.pursue, debit.order(), debit.what))
        if step.progress is Progress.UNKNOWN:
            step = await self._find(debit)
        if step.progress is Progress.PARKED:
            await self._parked()
        return step

    async def _find(self, debit: Debit) -> Step:
        """No old message of ours may still take effect when the casino is asked."""
        wait, second_look = debit.not_after + self._policy.absence_after - workflow.now(), False
        while True:
            await workflow.sleep(max(wait, timedelta()), summary="until an old debit can no longer take effect")
            step = self._took(
                "look for the debit",
                await self.lanes.slow(debit.find, debit.look(second_look), "look for the debit"),
            )
            if step.progress is not Progress.UNKNOWN:
                return step
            wait, second_look = self._policy.effect_within, True

    async def credit(self, order: Pay) -> Step:
        """Send a credit until the player has the money."""
        kind = "pay out" if order.transaction_type is TransactionType.PAY_OUT else "return"
        what = f"{kind} {order.amount.currency} {order.amount}"
        step = self._took(what, await self.lanes.fast(Wallet.try_credit, order, what))
        if step.progress is Progress.UNKNOWN:
            self.attention("owed")
            step = self._took(what, await self.lanes.slow(Wallet.pursue_credit, order, what, owed=True))
        if step.progress is Progress.PARKED:
            await self._parked()
        return step

    async def close_at_casino(self, *, closed: bool = True) -> None:
        """Where the casino wants to hear that a bet is over, or open again, tell it until it has understood."""
        if not self._policy.close:
            return
        order = CloseAtCasino(
            bet_id=self.bet.bet_id,
            casino_id=self._casino_id,
            attempt_timeout=self._policy.attempt_timeout,
            closed=closed,
        )
        what = "close the bet at the casino" if closed else "open the bet at the casino again"
        await self.lanes.slow(Wallet.close_at_casino, order, what)

    async def _parked(self) -> None:
        """A person has to decide; no clock does it for them."""
        self.attention("parked")
        await workflow.wait_condition(lambda: False)

    def _took(self, what: str, step: Step) -> Step:
        if step.record is not None:
            self.record = step.record
        self.say(f"{what}: {step.progress}{f' ({step.detail})' if step.detail else ''}")
        return step

    # What people see

    def attention(self, status: str) -> None:
        """Show that the straight way was left, and when."""
        self.show(status, attention=True)
        self._timeline.needs(status, workflow.now())
        self.say(f"needs attention: {status}")

    def show(self, status: str, *, attention: bool = False) -> None:
        """Show a status in the list of workflows."""
        self._timeline.goes_on()
        self._tell()
        shown: list[SearchAttributeUpdate[Any]] = [BET_STATUS.value_set(status)]
        if attention != self.needs_attention:
            self.needs_attention = attention
            shown.append(NEEDS_ATTENTION.value_set(attention))
        workflow.upsert_search_attributes(shown)

    def say(self, what: str) -> None:
        """One more line of the story."""
        self._timeline.add(workflow.now(), what)
        self._tell()

    def _tell(self) -> None:
        workflow.set_current_details(self._timeline.text(self.record))

    def contradiction(self, kind: str, ours: dict[str, str], theirs: dict[str, str]) -> None:
        """File an incident; the clerk writes it down."""
        bet_id = self.record.bet_id if self.record else None
        self._incidents.append(Incident(bet_id=bet_id, kind=kind, ours=ours, theirs=theirs))

    async def _clerk(self) -> None:
        """Writes contradictions down as they come, whatever the story is waiting for."""
        while True:
            await workflow.wait_condition(lambda: bool(self._incidents))
            await self.lanes.slow(BetRows.file_incident, self._incidents[0], "file an incident")
            self._incidents.pop(0)
