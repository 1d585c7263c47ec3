"""Cashbacks: taking one on, and the debit by which it is cancelled. Its issue is a credit like any other."""

from temporalio import activity

from activities.casino_gateway import CasinoGateway
from activities.look_ups import has_list
from activities.pending_movement import Outcome, SendPolicy
from activities.windowed_debits import PendingDebit, WindowedDebit
from betcore.casino.movement import Movement
from betcore.casino.response_reading import CasinoAnswer
from betcore.db.bets import Bets
from betcore.db.cashback_movements import CashbackMovements
from betcore.domain.activity_inputs import CancelCashback, OpenCashback, Progress, Step
from betcore.domain.cashback import CashbackRecord
from betcore.domain.casino_responses import PARKED
from betcore.domain.ids import TransactionType
from betcore.domain.messages import CashbackOrder

_NO_LIST = Outcome(CasinoAnswer(None, "no_list", message="the casino lists no cashbacks"), PARKED)


class CashbackWallet:
    """The activities of a cashback, apart from its issue."""

    def __init__(self, gateway: CasinoGateway, bets: Bets, cashbacks: CashbackMovements) -> None:
        self._gateway = gateway
        self._bets = bets
        self._cashbacks = cashbacks

    @activity.defn(name="open_cashback")
    async def open_cashback(self, order: OpenCashback) -> CashbackRecord:
        """Take a cashback on, or over; the record's owner says whether that succeeded."""
        return await self._cashbacks.take_on(order.cashback_id, order.owner, order.resumed)

    @activity.defn(name="try_cancel")
    async def try_cancel(self, order: CancelCashback) -> Step:
        """Take a cashback back, with as many sends as the policy allows at once."""
        return await self._gateway.run_fast_attempts(self._pending(order), until=order.not_after)

    @activity.defn(name="pursue_cancel")
    async def pursue_cancel(self, order: CancelCashback) -> Step:
        """Repeat the debit until it has a definite answer or its window is over.

        Raises ApplicationError(outcome_unknown), to be retried, while it may be sent.
        """
        return await self._gateway.run_slow_attempt(self._pending(order), until=order.not_after)

    @activity.defn(name="find_cancel")
    async def find_cancel(self, order: CancelCashback) -> Step:
        """Decide by payments/info whether the casino has made a debit whose window is over.

        If the casino lists no cashbacks, and has sent no Accept, it is parked: absence cannot be proven. Raises
        ApplicationError(outcome_unknown), to be retried, if the casino's answer is unclear.
        """
        pending = self._pending(order)
        outcome = await self._gateway.look_up(pending.casino_id, pending.movement, pending.policy)
        if outcome is not None:
            return await pending.record_found(outcome)
        # By the profile of the workflow's start too: it has set the time of the look.
        if not (order.order.listed and has_list(await self._gateway.casino(pending.casino_id), pending.movement)):
            return await pending.record_found(_NO_LIST)
        if not order.second_look:
            return Step(progress=Progress.UNKNOWN, detail="absent at the first look")
        return await pending.record_absent("the casino never took it")

    def _pending(self, order: CancelCashback) -> PendingDebit:
        debit = WindowedDebit(
            name="cancel",
            casino_id=order.order.casino_id,
            owner=order.owner,
            policy=SendPolicy.of_debit(order.order.policy),
            movement=cancel_of(order.order),
            not_after=order.not_after,
        )
        return PendingDebit(self._bets, self._cashbacks, debit)


def cancel_of(order: CashbackOrder) -> Movement:
    """Return the debit that takes a cashback back."""
    transaction_type = TransactionType.PAY_OUT_RETURN
    return Movement(order.cashback_id, transaction_type, order.partner_user_id, order.amount, cashback=True)
