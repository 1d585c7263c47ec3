"""What two operators say of a parked debit: the casino has taken it, or has not. The casino's own word comes first."""

from datetime import timedelta

from temporalio import activity

from activities.casino_gateway import NO_CONFIRMATION, CasinoGateway
from betcore.casino.client import CasinoClient, Movement, MovementDiffers
from betcore.db.bets import Bets, Confirmation
from betcore.db.partners import Casino
from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import MarkClawBack, MarkStake, Progress, Step
from betcore.domain.casino_responses import DONE, classify
from betcore.domain.ids import TransactionType
from betcore.domain.messages import BetRecord, BetState, ReversalState


class Marks:
    """The marks that end a parked debit."""

    def __init__(self, gateway: CasinoGateway, casinos: CasinoClient, bets: Bets, reversals: Reversals) -> None:
        self._gateway = gateway
        self._casinos = casinos
        self._bets = bets
        self._reversals = reversals

    @activity.defn(name="mark_stake")
    async def mark_stake(self, order: MarkStake) -> Step:
        """Book a parked stake as taken, or end its bet without it."""
        pay_in, bet_id, owner = order.pay_in, order.bet_id, order.owner
        movement = Movement(bet_id, TransactionType.ACCEPT_BET, pay_in.partner_user_id, pay_in.stake)
        casino = await self._gateway.casino(pay_in.casino_id)
        word, taken = await self._said(casino, movement, pay_in.policy.attempt_timeout, order.taken)
        if taken:
            record = await self._bets.accept(bet_id, owner, word)
        else:
            filed = order.refund_filed
            record = await self._bets.end_parked(bet_id, owner, word.error_code, refund_filed=filed)
        return Step(progress=_stake(record, owner), detail=_told(taken), record=record)

    @activity.defn(name="mark_claw_back")
    async def mark_claw_back(self, order: MarkClawBack) -> Step:
        """Book a parked claw-back as taken, or end its reversal without it."""
        reverse, owner = order.reverse, order.owner
        if reverse.win is None:
            raise ValueError(f"bet {reverse.bet_id} has no win to take back")
        movement = Movement(reverse.bet_id, TransactionType.PAY_OUT_RETURN, reverse.partner_user_id, reverse.win)
        casino = await self._gateway.casino(reverse.casino_id)
        word, taken = await self._said(casino, movement, reverse.policy.attempt_timeout, order.taken)
        if taken:
            record = await self._reversals.clawed_back(reverse.bet_id, owner, word)
        else:
            record = await self._reversals.end_parked(reverse.bet_id, owner, word.error_code)
        return Step(progress=_claw_back(record, owner, taken), detail=_told(taken), record=record)

    async def _said(
        self, casino: Casino, movement: Movement, within: timedelta, marked_taken: bool
    ) -> tuple[Confirmation, bool]:
        """Return what the row is to say of the movement, and whether it is taken: by the operators' word, unless the
        casino has confirmed it, or lists it as ours, meanwhile."""
        kind = movement.transaction_type
        word = await self._bets.await_accept(movement.bet_id, kind, timedelta(), movement.amount.currency)
        if word is not None and classify(kind, casino.profile.error_codes.get(word.error_code or ""), 1) == DONE:
            return word, True
        if marked_taken:
            return NO_CONFIRMATION, True
        try:
            listed = await self._casinos.has(casino, movement, within)
        except MovementDiffers:
            listed = False
        return (NO_CONFIRMATION, True) if listed else (word or NO_CONFIRMATION, False)


def _told(taken: bool) -> str:
    return "the casino has it" if taken else "the casino never took it"


def _stake(record: BetRecord, owner: str) -> Progress:
    if record.owner != owner:
        return Progress.FOREIGN
    if record.state is BetState.ACCEPTING:
        return Progress.PARKED
    return Progress.REFUSED if record.accepted_at is None else Progress.DONE


def _claw_back(record: BetRecord, owner: str, taken: bool) -> Progress:
    if record.reversal is None or record.reversal.owner != owner:
        return Progress.FOREIGN
    if record.reversal.state is ReversalState.REFUSED:
        return Progress.REFUSED
    return Progress.DONE if taken else Progress.PARKED
