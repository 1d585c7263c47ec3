"""A movement that is parked: it waits for a person, or for the casino to confirm it after all; no clock decides."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from temporalio import workflow

from workflows.support.activity_calls import Lanes
from workflows.support.continue_as_new import Renewal
from workflows.support.debit import Debit
from workflows.support.four_eyes import Concern
from workflows.support.status import Board
from workflows.support.wake import Nudge

with workflow.unsafe.imports_passed_through():
    from activities.bet_records import BetRecords
    from activities.wallet import Wallet
    from betcore.domain.activity_inputs import FindCredit, Pay, Progress, Step, Unpark
    from betcore.domain.ids import TransactionType
    from betcore.domain.messages import Action, BetPolicy

# What only a parked movement can be marked as.
MARKS = (Action.MARK_PAID, Action.MARK_TAKEN, Action.MARK_NOT_TAKEN)


class Parked:
    """What is parked of one workflow, and what operators have decided of it."""

    def __init__(
        self, owner: str, policy: BetPolicy, lanes: Lanes, board: Board, nudge: Nudge, renewal: Renewal
    ) -> None:
        self._owner = owner
        self._policy = policy
        self._lanes = lanes
        self._board = board
        self._nudge = nudge
        self._renewal = renewal
        self.credit: Pay | None = None
        self.debit: Debit | None = None
        # What operators have decided, until it is carried out: mark-paid, mark-taken, mark-not-taken or void.
        self.mark: Action | None = None

    def why_not(self, action: Action) -> str | None:
        """Return why an action cannot be taken on what is parked; None if it can."""
        if self.mark is Action.MARK_PAID:
            return "what was marked as paid is being looked for at the casino"
        if self.mark is not None:
            return f"{self.mark} is being carried out"
        if action is Action.MARK_PAID:
            return None if self.credit else "no payment to the player is parked"
        return None if self.debit else "no debit is parked"

    def concern(self, action: Action) -> Concern | None:
        """Return what a mark is about; None for what is no mark, or where nothing is parked."""
        if action is Action.MARK_PAID and self.credit is not None:
            return Concern(self.credit.transaction_type, self.credit.amount)
        if action in (Action.MARK_TAKEN, Action.MARK_NOT_TAKEN) and self.debit is not None:
            # The casino gives no answer that could be checked: two people have to have looked at it.
            return Concern(self.debit.kind, self.debit.amount, by_two=True)
        return None

    def void(self) -> bool:
        """Have a parked stake looked for. False if none is parked; and in a bet of an earlier release: it sends it."""
        if self.debit is None or not workflow.patched("void-looks-for-what-is-parked"):
            return False
        self.mark = Action.VOID
        return True

    async def decide_credit(self, pay: Pay) -> Step:
        """Wait for a decision on a credit, and carry it out."""
        self._board.attention("parked")
        self.credit, parked_at = pay, workflow.now()
        await self._decision()
        if self.mark is Action.MARK_PAID:
            step = await self._was_paid_by_hand(pay, parked_at)
        else:
            # From here on it may be sent.
            self.credit = None
            step = await self._let_go(pay.transaction_type)
        self.credit = self.mark = None
        return step

    async def decide_debit(self, debit: Debit, find: Callable[[Debit], Awaitable[Step]]) -> Step:
        """Wait for a decision on a debit, and carry it out; ``find`` looks for it at the casino, twice."""
        self._board.attention("parked")
        self.debit = debit
        await self._decision()
        step = None if self.mark is None else await self._marked(debit, find)
        if step is None:
            self.debit = None
            step = await self._let_go(debit.kind)
        self.debit = self.mark = None
        return step

    async def _decision(self) -> None:
        def decided() -> bool:
            return self._nudge.wakes or self.mark is not None

        await workflow.wait_condition(lambda: decided() or self._renewal.is_due)
        if not decided():
            await self._renewal.if_due()

    async def _let_go(self, kind: TransactionType) -> Step:
        """Let it be sent again."""
        self._nudge.clear()
        order = Unpark(bet_id=self._board.bet.bet_id, owner=self._owner, transaction_type=kind)
        await self._lanes.rows(BetRecords.unpark, order, "let it be sent again")
        return Step(progress=Progress.UNKNOWN)

    async def _marked(self, debit: Debit, find: Callable[[Debit], Awaitable[Step]]) -> Step | None:
        """Carry out what operators have decided. None if the casino confirms the debit meanwhile."""
        if self.mark is not Action.MARK_TAKEN:
            # What is not at the casino may still reach it until then.
            wait = debit.not_after + self._policy.absence_after - workflow.now()
            if await self._woken_within(wait):
                return None
        if self.mark is Action.VOID:
            await self._let_go(debit.kind)
            return await find(debit)
        taken = self.mark is Action.MARK_TAKEN
        what = f"{debit.what}, marked as {'taken' if taken else 'not taken'}"
        return self._board.took(what, await self._lanes.slow(debit.mark, debit.marked(taken), what))

    async def _woken_within(self, time: timedelta) -> bool:
        summary = "until an old debit can no longer take effect"
        try:
            await workflow.wait_condition(
                lambda: self._nudge.wakes, timeout=max(time, timedelta()), timeout_summary=summary
            )
        except TimeoutError:
            return False
        return True

    async def _was_paid_by_hand(self, pay: Pay, parked_at: datetime) -> Step:
        """It counts as paid once no message of ours can pay it too, and the casino has said so twice."""
        wait = parked_at + self._policy.message_lifetime + self._policy.absence_after - workflow.now()
        second_look = False
        while True:
            await workflow.sleep(max(wait, timedelta()), summary="until an old credit can no longer take effect")
            what = "look for what was paid by hand"
            step = self._board.took(
                what,
                await self._lanes.slow(Wallet.find_credit, FindCredit(pay=pay, second_look=second_look), what),
            )
            if not step.progress.is_open:
                return step
            wait, second_look = self._policy.effect_within, True
