"""The mark that two operators set on a parked debit: the casino has taken it, or has not.

The casino's own word comes first: an Accept that has come meanwhile, or its list.
"""

from datetime import timedelta

from temporalio import activity

from activities.casino_gateway import CasinoGateway
from activities.claw_backs import claw_back_of
from activities.confirmations import is_success
from activities.pending_movement import NO_CONFIRMATION
from activities.stakes import debit_of, progress_of_stake
from betcore.casino.client import CasinoClient, MovementDiffers
from betcore.casino.movement import Movement
from betcore.db.bets import Bets
from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import MarkClawBack, MarkStake, Progress, Step
from betcore.domain.bet import BetRecord, ReversalState
from betcore.domain.claims import Confirmation
from betcore.domain.partners import Casino


class Marks:
    """The activities that end a parked debit."""

    def __init__(self, gateway: CasinoGateway, casinos: CasinoClient, bets: Bets, reversals: Reversals) -> None:
        self._gateway = gateway
        self._casinos = casinos
        self._bets = bets
        self._reversals = reversals

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
            filed = order.refund_filed
            record = await self._bets.end_parked(bet_id, owner, confirmation.error_code, refund_filed=filed)
        return Step(progress=progress_of_stake(record, owner), detail=_detail(taken), record=record)

    @activity.defn(name="mark_claw_back")
    async def mark_claw_back(self, order: MarkClawBack) -> Step:
        """Record a parked claw-back as taken, or end its reversal without it."""
        reverse, owner = order.reverse, order.owner
        claw_back, within = claw_back_of(reverse), reverse.policy.attempt_timeout
        casino = await self._gateway.casino(reverse.casino_id)
        confirmation, taken = await self._decide(casino, claw_back, within, order.taken)
        if taken:
            record = await self._reversals.clawed_back(reverse.bet_id, owner, confirmation)
        else:
            record = await self._reversals.end_parked(reverse.bet_id, owner, confirmation.error_code)
        return Step(progress=_progress_of_claw_back(record, owner, taken), detail=_detail(taken), record=record)

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
        try:
            listed = (await self._casinos.look(casino, movement, within)).found
        except MovementDiffers:
            listed = False
        return (NO_CONFIRMATION, True) if listed else (confirmation or NO_CONFIRMATION, False)


def _detail(taken: bool) -> str:
    return "the casino has it" if taken else "the casino never took it"


def _progress_of_claw_back(record: BetRecord, owner: str, taken: bool) -> Progress:
    if record.reversal is None or record.reversal.owner != owner:
        return Progress.FOREIGN
    if record.reversal.state is ReversalState.REFUSED:
        return Progress.REFUSED
    return Progress.DONE if taken else Progress.PARKED
