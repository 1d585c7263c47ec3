"""The mark that two operators set on a parked debit: the casino has taken it, or has not.

The casino's own word comes first: an Accept that has come meanwhile, or its list.
"""

from datetime import timedelta

from temporalio import activity

from activities.cashbacks import cancel_of
from activities.casino_gateway import CasinoGateway
from activities.claw_backs import claw_back_of
from activities.confirmations import is_success
from activities.look_ups import has_list
from activities.pending_movement import NO_CONFIRMATION
from activities.stakes import debit_of, progress_of_stake
from activities.windowed_debits import DebitRows, has_ended_without
from betcore.casino.client import CasinoClient, MovementDiffers
from betcore.casino.movement import Movement
from betcore.db.bets import Bets
from betcore.db.cashback_movements import CashbackMovements
from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import MarkCancel, MarkClawBack, MarkStake, Progress, Step
from betcore.domain.claims import Confirmation
from betcore.domain.partners import Casino


class Marks:
    """The activities that end a parked debit."""

    def __init__(
        self,
        gateway: CasinoGateway,
        casinos: CasinoClient,
        bets: Bets,
        reversals: Reversals,
        cashbacks: CashbackMovements,
    ) -> None:
        self._gateway = gateway
        self._casinos = casinos
        self._bets = bets
        self._reversals = reversals
        self._cashbacks = cashbacks

    @activity.defn(name="mark_stake")
    async def mark_stake(self, order: MarkStake) -> Step:
        """Record a parked stake as taken, or end its bet without it."""
        pay_in, bet_id, owner = order.pay_in, order.bet_id, order.owner
        casino = await self._gateway.casino(pay_in.casino_id)
        within = pay_in.policy.attempt_timeout
        confirmation, taken = await self._decide(casino, debit_of(pay_in, bet_id), within, order.taken)
        if taken:
            record = await self._bets.accept(bet_id, owner, confirmation)
        else:
            code, filed, proof = confirmation.error_code, order.refund_filed, order.refund_proof
            record = await self._bets.end_parked(bet_id, owner, code, refund_filed=filed, proof=proof)
        return Step(progress=progress_of_stake(record, owner), detail=_detail(taken), record=record)

    @activity.defn(name="mark_claw_back")
    async def mark_claw_back(self, order: MarkClawBack) -> Step:
        """Record a parked claw-back as taken, or end its reversal without it."""
        reverse = order.reverse
        claw_back, within = claw_back_of(reverse), reverse.policy.attempt_timeout
        casino = await self._gateway.casino(reverse.casino_id)
        return await self._mark(self._reversals, casino, claw_back, within, order.owner, order.taken)

    @activity.defn(name="mark_cancel")
    async def mark_cancel(self, order: MarkCancel) -> Step:
        """Record the parked cancel of a cashback as taken, or leave the cashback issued."""
        cancel, within = cancel_of(order.order), order.order.policy.attempt_timeout
        casino = await self._gateway.casino(order.order.casino_id)
        return await self._mark(self._cashbacks, casino, cancel, within, order.owner, order.taken)

    async def _mark(
        self, rows: DebitRows, casino: Casino, debit: Movement, within: timedelta, owner: str, marked_taken: bool
    ) -> Step:
        confirmation, taken = await self._decide(casino, debit, within, marked_taken)
        if taken:
            record = await rows.debit_done(debit.bet_id, owner, confirmation)
        else:
            record = await rows.end_parked(debit.bet_id, owner, confirmation.error_code)
        progress = Progress.DONE if taken else Progress.PARKED
        if record.carrier != owner:
            progress = Progress.FOREIGN
        elif has_ended_without(record):
            progress = Progress.REFUSED
        return Step(progress=progress, detail=_detail(taken), record=record)

    async def _decide(
        self, casino: Casino, movement: Movement, within: timedelta, marked_taken: bool
    ) -> tuple[Confirmation, bool]:
        """Return what the row keeps of the movement, and whether it is taken.

        The operators decide, unless the casino has confirmed the movement, or lists it as ours, meanwhile.
        """
        confirmation = await self._gateway.fetch_confirmation(movement)
        if confirmation is not None and is_success(casino, movement, confirmation):
            return confirmation, True
        if marked_taken:
            return NO_CONFIRMATION, True
        if not has_list(casino, movement):
            return confirmation or NO_CONFIRMATION, False
        try:
            listed = (await self._casinos.look(casino, movement, within)).found
        except MovementDiffers:
            listed = False
        return (NO_CONFIRMATION, True) if listed else (confirmation or NO_CONFIRMATION, False)


def _detail(taken: bool) -> str:
    return "the casino has it" if taken else "the casino never took it"
