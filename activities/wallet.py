"""Stakes, and the credits of bets, reversals and cashbacks, at the casino's wallet.

Each movement has two activities. ``try_...`` is the fast lane: one or two sends inside the provider's deadline, and
"unknown" as a possible answer. ``pursue_...`` is the slow lane: one send an attempt, and a failure that Temporal
retries and shows. Both may run again from any point: every send is counted in the movement's row before it leaves.
"""

from temporalio import activity

from activities.casino_gateway import CasinoGateway
from activities.credits import CreditRows, PendingCredit
from activities.pending_movement import NO_CONFIRMATION, SendPolicy, unless_overtaken
from activities.stakes import PendingStake, debit_of, progress_of_stake, win_of
from betcore.casino.movement import made_without_stake
from betcore.db.bets import Bets
from betcore.db.cashback_movements import CashbackMovements
from betcore.db.reversals import Reversals
from betcore.db.win_reviews import WinReviews
from betcore.domain.activity_inputs import CloseAtCasino, FindCredit, FindStake, Pay, Progress, Step, TakeStake
from betcore.domain.ids import TransactionType


class Wallet:
    """The activities that move money: stakes, and all credits."""

    def __init__(
        self,
        gateway: CasinoGateway,
        bets: Bets,
        reviews: WinReviews,
        reversals: Reversals,
        cashbacks: CashbackMovements,
    ) -> None:
        self._gateway = gateway
        self._bets = bets
        self._reviews = reviews
        self._reversals = reversals
        self._cashbacks = cashbacks

    @activity.defn(name="try_stake")
    async def try_stake(self, order: TakeStake) -> Step:
        """Open the bet and debit its stake, with the sends that the provider's deadline allows."""
        stake = PendingStake(self._bets, order)
        return await self._gateway.run_fast_attempts(stake, until=order.pay_in.answer_by)

    @activity.defn(name="pursue_stake")
    async def pursue_stake(self, order: TakeStake) -> Step:
        """Repeat the debit until it has a definite answer or may not be sent any more.

        Raises ApplicationError(outcome_unknown), to be retried, while it may.
        """
        stake = PendingStake(self._bets, order)
        return await self._gateway.run_slow_attempt(stake, until=order.pay_in.not_after)

    @activity.defn(name="find_stake")
    async def find_stake(self, order: FindStake) -> Step:
        """Decide by payments/info whether the casino has a stake that may not be sent any more.

        Raises ApplicationError(outcome_unknown), to be retried, if the casino's answer is unclear.
        """
        pay_in, bet_id, owner = order.pay_in, order.bet_id, order.owner
        debit = debit_of(pay_in, bet_id)
        outcome = await self._gateway.look_up(pay_in.casino_id, debit, SendPolicy.of_debit(pay_in.policy))
        if outcome is None:
            return await self._stake_absent(order)
        if outcome.progress is Progress.DONE:
            record, parked = await self._bets.accept(bet_id, owner, outcome.confirmation), True
        else:
            transaction_type, error_code = debit.transaction_type, outcome.answer.error_code
            record, parked = await self._bets.park(bet_id, owner, transaction_type, error_code, outcome.theirs)
        step = Step(progress=progress_of_stake(record, owner), detail=outcome.detail, record=record)
        return unless_overtaken(step, parked=parked)

    @activity.defn(name="try_credit")
    async def try_credit(self, pay: Pay) -> Step:
        """Credit the player, with as many sends as the order allows; none if the casino does not answer anyway."""
        return await self._gateway.run_fast_attempts(self._credit(pay))

    @activity.defn(name="pursue_credit")
    async def pursue_credit(self, pay: Pay) -> Step:
        """Credit the player, for as long as it takes. Raises ApplicationError(outcome_unknown), to be retried."""
        return await self._gateway.run_slow_attempt(self._credit(pay))

    @activity.defn(name="find_credit")
    async def find_credit(self, order: FindCredit) -> Step:
        """Decide by payments/info whether the casino has made a parked credit that was marked as paid by hand.

        If its Accept is stored while the casino is asked, an incident says that the player was paid twice.

        Raises ApplicationError(outcome_unknown), to be retried, if the casino's answer is unclear.
        """
        credit = self._credit(order.pay)
        outcome = await self._gateway.look_up(credit.casino_id, credit.movement, credit.policy)
        if outcome is not None:
            return await credit.record_found(outcome)
        if not order.second_look:
            return Step(progress=Progress.UNKNOWN, detail="absent at the first look")
        step = await credit.record_done(NO_CONFIRMATION, "paid by hand", "paid_by_hand")
        if confirmation := await self._gateway.fetch_success_of_ended(credit.casino_id, credit.movement):
            await credit.file_paid_twice(confirmation)
        return step

    @activity.defn(name="close_at_casino")
    async def close_at_casino(self, order: CloseAtCasino) -> None:
        """Close the bet at the casino, or open it again. Raises ApplicationError, to be retried, until that is done."""
        await self._gateway.close(order.casino_id, order.bet_id, order.attempt_timeout, closed=order.closed)

    async def _stake_absent(self, order: FindStake) -> Step:
        """End the bet without its stake, at the second look that does not find it."""
        if not order.second_look:
            return Step(progress=Progress.UNKNOWN, detail="absent at the first look")
        if step := await self._win_without_stake(order):
            return step
        casino = await self._gateway.casino(order.pay_in.casino_id)
        codes, filed, proof = casino.profile.done_codes, order.refund_filed, order.refund_proof
        record = await self._bets.end_absent(order.bet_id, order.owner, codes, refund_filed=filed, proof=proof)
        progress = progress_of_stake(record, order.owner)
        debit = debit_of(order.pay_in, order.bet_id)
        if progress is Progress.PARKED and await self._gateway.fetch_confirmation(debit) is not None:
            return Step(progress=Progress.UNKNOWN, detail="an Accept has come meanwhile", record=record)
        return Step(progress=progress, detail="the casino never took it", record=record)

    async def _win_without_stake(self, order: FindStake) -> Step | None:
        """Park an absent stake whose win the casino has made, and return that; None if the casino has no win either.

        A win that was sent with its stake is made only behind it: one of the two things that the casino says is wrong.
        """
        pay_in, bet_id, owner = order.pay_in, order.bet_id, order.owner
        win = win_of(pay_in, bet_id)
        if (
            win is None
            or await self._gateway.look_up(pay_in.casino_id, win, SendPolicy.of_debit(pay_in.policy)) is None
        ):
            return None
        theirs = made_without_stake(win)
        record, parked = await self._bets.park(bet_id, owner, TransactionType.ACCEPT_BET, None, theirs)
        detail = "the casino has made the win, and not the stake"
        step = Step(progress=progress_of_stake(record, owner), detail=detail, record=record)
        return unless_overtaken(step, parked=parked)

    def _credit(self, pay: Pay) -> PendingCredit:
        rows: CreditRows = self._cashbacks if pay.cashback else self._reversals if pay.reverses else self._bets
        return PendingCredit(self._bets, self._reviews, rows, pay)
