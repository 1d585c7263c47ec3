"""The claw-back of a win: the debit with which a reversal begins."""

from datetime import datetime

from temporalio import activity

from activities.casino_gateway import CasinoGateway
from activities.pending_movement import SendPolicy
from activities.windowed_debits import PendingDebit, WindowedDebit
from betcore.casino.movement import Movement
from betcore.db.bets import Bets
from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import ClawBack, OpenReversal, Progress, Step
from betcore.domain.bet import BetRecord
from betcore.domain.ids import TransactionType
from betcore.domain.messages import Reverse


class ClawBacks:
    """The activities of a reversal, apart from the return of the stake: that is a credit like any other."""

    def __init__(self, gateway: CasinoGateway, bets: Bets, reversals: Reversals) -> None:
        self._gateway = gateway
        self._bets = bets
        self._reversals = reversals

    @activity.defn(name="open_reversal")
    async def open_reversal(self, order: OpenReversal) -> BetRecord:
        """Write the reversal's row before any of its money moves, or find it, or take it over."""
        return await self._reversals.open(order.bet_id, order.owner, order.resumed, order.proof)

    @activity.defn(name="try_claw_back")
    async def try_claw_back(self, order: ClawBack) -> Step:
        """Take the win back, with as many sends as the policy allows at once."""
        return await self._gateway.run_fast_attempts(self._pending(order), until=order.not_after)

    @activity.defn(name="pursue_claw_back")
    async def pursue_claw_back(self, order: ClawBack) -> Step:
        """Repeat the claw-back until it has a definite answer or its window is over.

        Raises ApplicationError(outcome_unknown), to be retried, while it may be sent.
        """
        return await self._gateway.run_slow_attempt(self._pending(order), until=order.not_after)

    @activity.defn(name="find_claw_back")
    async def find_claw_back(self, order: ClawBack) -> Step:
        """Decide by payments/info whether the casino has made a claw-back whose window is over.

        Raises ApplicationError(outcome_unknown), to be retried, if the casino's answer is unclear.
        """
        pending = self._pending(order)
        outcome = await self._gateway.look_up(pending.casino_id, pending.movement, pending.policy)
        if outcome is not None:
            return await pending.record_found(outcome)
        if not order.second_look:
            return Step(progress=Progress.UNKNOWN, detail="absent at the first look")
        return await pending.record_absent("the casino never took it")

    def _pending(self, order: ClawBack) -> PendingDebit:
        debit = WindowedDebit(
            name="claw_back",
            casino_id=order.reverse.casino_id,
            owner=order.owner,
            policy=SendPolicy.of_debit(order.reverse.policy),
            movement=claw_back_of(order.reverse, order.not_after),
            not_after=order.not_after,
        )
        return PendingDebit(self._bets, self._reversals, debit)


def claw_back_of(reverse: Reverse, not_after: datetime | None = None) -> Movement:
    """Return the debit that takes a win back. Raises ValueError if the bet has no win."""
    if reverse.win is None:
        raise ValueError(f"bet {reverse.bet_id} has no win to take back")
    transaction_type = TransactionType.PAY_OUT_RETURN
    return Movement(reverse.bet_id, transaction_type, reverse.partner_user_id, reverse.win, not_after)
