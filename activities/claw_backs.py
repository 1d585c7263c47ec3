"""The claw-back of a win: the debit with which a reversal begins.

As a stake's debit it has a last moment, and a refusal ends it only where no other send of it can exist. Unlike a stake
it may be sent in another window, once everything that was sent before is certainly not at the casino.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import activity

from activities.admission import FAST, SLOW, Lane
from activities.casino_gateway import NO_CONFIRMATION, CasinoGateway, at_once, confirmation_of, now, pursued
from betcore.casino.client import LastMomentPassed, Movement, MovementDiffers
from betcore.db.partners import Casino
from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import ClawBack, OpenReversal, Progress, Step
from betcore.domain.casino_responses import DUPLICATE, NOT_SENT
from betcore.domain.ids import TransactionType
from betcore.domain.messages import BetRecord, ReversalState
from betcore.runtime import failpoints

_KIND = TransactionType.PAY_OUT_RETURN
# How the claw-back stands, by the state of its movement, where there is no send to make.
_ENDED = {"done": Progress.DONE, "refused": Progress.REFUSED}


class ClawBacks:
    """What a reversal asks beside the return of the stake, which is a credit like any other."""

    def __init__(self, gateway: CasinoGateway, reversals: Reversals) -> None:
        self._gateway = gateway
        self._reversals = reversals

    @activity.defn(name="open_reversal")
    async def open_reversal(self, order: OpenReversal) -> BetRecord:
        """Write the reversal's row before any of its money moves, or find it, or take it over."""
        return await self._reversals.open(order.bet_id, order.owner, order.resumed)

    @activity.defn(name="try_claw_back")
    async def try_claw_back(self, order: ClawBack) -> Step:
        """Take the win back, with as many sends as the policy allows at once."""
        policy = order.reverse.policy
        return await at_once(lambda: self._take(order, FAST), policy.fast_attempts, order.not_after)

    @activity.defn(name="pursue_claw_back")
    async def pursue_claw_back(self, order: ClawBack) -> Step:
        """Repeat the claw-back until it has a definite answer or its window is over.

        Raises ApplicationError(outcome_unknown), to be retried, while it may be sent.
        """
        policy = order.reverse.policy
        return await pursued(lambda: self._take(order, SLOW), policy.retry, policy.accept_within, until=order.not_after)

    @activity.defn(name="find_claw_back")
    async def find_claw_back(self, order: ClawBack) -> Step:
        """Decide by payments/info whether the casino has made a claw-back whose window is over.

        Raises ApplicationError(outcome_unknown), to be retried, where the casino's answer is unclear.
        """
        reverse, owner = order.reverse, order.owner
        casino, policy = await self._gateway.casino(reverse.casino_id), reverse.policy
        if word := await self._gateway.confirmed(casino, _movement(order)):
            record = await self._reversals.clawed_back(reverse.bet_id, owner, word)
            return _step(record, owner, Progress.DONE, "confirmed by an Accept")
        try:
            found = await self._gateway.look(casino, _movement(order), policy.retry, policy.attempt_timeout)
        except MovementDiffers as difference:
            record = await self._reversals.park(reverse.bet_id, owner, _KIND, DUPLICATE, difference.theirs)
            return _step(record, owner, Progress.PARKED, str(difference))
        if found:
            record = await self._reversals.clawed_back(reverse.bet_id, owner, NO_CONFIRMATION)
            return _step(record, owner, Progress.DONE)
        if not order.second_look:
            return Step(progress=Progress.UNKNOWN, detail="absent at the first look")
        record, absent = await self._reversals.absent(reverse.bet_id, owner)
        return _step(record, owner, Progress.ABSENT if absent else Progress.UNKNOWN, "the casino never took it")

    async def _take(self, order: ClawBack, lane: Lane) -> Step:
        casino = await self._gateway.casino(order.reverse.casino_id)
        patience = order.reverse.policy.attempt_timeout if lane is FAST else timedelta()
        with self._gateway.admission.slot(casino, lane):
            return await self._taken(casino, order, patience)

    async def _taken(self, casino: Casino, order: ClawBack, patience: timedelta) -> Step:
        reverse, owner = order.reverse, order.owner
        claim = await self._reversals.begin_claw_back(reverse.bet_id, owner, order.not_after)
        if claim.attempts is None:
            return _step(claim.record, owner, _ENDED.get(claim.movement or "", Progress.PARKED))
        await failpoints.reach("claw_back_counted")
        # The row's last moment, and not the order's: a window of before may still be open.
        movement = replace(_movement(order, claim.not_after), partner_user_id=claim.partner_user_id)
        try:
            made, verdict = await self._gateway.make(casino, movement, claim, reverse.policy.attempt_timeout, patience)
        except LastMomentPassed:
            return await self._not_sent(order, "its last moment has passed", over=True)
        await failpoints.reach("claw_back_answered")
        match verdict.progress:
            case Progress.REFUSED if made.answer.meaning == NOT_SENT:
                detail = f"not sent: {made.answer.message}"
                return await self._not_sent(order, detail, over=now() >= order.not_after)
            case Progress.DONE:
                record = await self._reversals.clawed_back(reverse.bet_id, owner, confirmation_of(made))
                progress = Progress.DONE
                if record.reversal is not None and record.reversal.state is ReversalState.REFUSED:
                    await self._gateway.taken_after_the_end(record, movement)
            case Progress.REFUSED:
                record = await self._reversals.refuse_only_send(reverse.bet_id, owner, made.answer.error_code)
                refused = record.reversal is not None and record.reversal.state is ReversalState.REFUSED
                progress = Progress.REFUSED if refused else Progress.UNKNOWN
            case Progress.PARKED:
                record = await self._reversals.park(reverse.bet_id, owner, _KIND, made.answer.error_code, made.theirs)
                progress = Progress.PARKED
            case _:
                return await self._gateway.unknown(casino, claim, movement, made, verdict, reverse.policy.retry)
        await failpoints.reach("claw_back_recorded")
        return _step(record, owner, progress, made.answer.message)

    async def _not_sent(self, order: ClawBack, detail: str, *, over: bool) -> Step:
        """Report a send that did not leave: if it is the window's only one, nothing of it can be at the casino.

        Until the window is ``over`` the claw-back goes on in it, at the pace of its lane: else a casino that is down
        would be met by window after window without a gap.
        """
        record, absent = await self._reversals.absent(order.reverse.bet_id, order.owner, sends=1)
        return _step(record, order.owner, Progress.ABSENT if absent and over else Progress.UNKNOWN, detail)


def _movement(order: ClawBack, not_after: datetime | None = None) -> Movement:
    reverse = order.reverse
    if reverse.win is None:
        raise ValueError(f"bet {reverse.bet_id} has no win to take back")
    return Movement(reverse.bet_id, _KIND, reverse.partner_user_id, reverse.win, not_after or order.not_after)


def _step(record: BetRecord, owner: str, progress: Progress, detail: str = "") -> Step:
    own = record.reversal is not None and record.reversal.owner == owner
    return Step(progress=progress if own else Progress.FOREIGN, detail=detail, record=record)
