"""Movements of a bet's money at the casino's wallet.

Each movement has two activities. ``try_...`` is the fast lane: one or two sends inside the provider's deadline, and
"unknown" as an answer. ``pursue_...`` is the slow lane: one send an attempt, and a failure that Temporal retries and
shows. Both may run again from any point: every send is counted in the movement's row before it leaves.
"""

from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

from temporalio import activity

from activities.admission import FAST, SLOW, NotAdmitted
from activities.casino_gateway import NO_CONFIRMATION, CasinoGateway, at_once, confirmation_of, now, pursued
from activities.credits import Credits
from betcore.casino.client import LastMomentPassed, MakeAnswer, Movement, MovementDiffers
from betcore.db.bets import Bets, Claim
from betcore.db.partners import Casino
from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import CloseAtCasino, FindCredit, FindStake, Pay, Progress, Step, TakeStake
from betcore.domain.casino_responses import DUPLICATE, NOT_SENT
from betcore.domain.errors import Code
from betcore.domain.ids import TransactionType
from betcore.domain.messages import BetRecord, BetState, PayIn
from betcore.runtime import failpoints


class Wallet:
    """The casinos' wallets, and the rows in which their movements are counted and recorded."""

    def __init__(self, gateway: CasinoGateway, bets: Bets, reversals: Reversals) -> None:
        self._gateway = gateway
        self._bets = bets
        self._credits = Credits(gateway, bets, reversals)

    @activity.defn(name="try_stake")
    async def try_stake(self, order: TakeStake) -> Step:
        """Open the bet and debit its stake, with what sends the provider's deadline allows."""
        pay_in = order.pay_in
        return await at_once(lambda: self._try_stake(order), pay_in.policy.fast_attempts, pay_in.answer_by)

    @activity.defn(name="pursue_stake")
    async def pursue_stake(self, order: TakeStake) -> Step:
        """Repeat the debit until it has a definite answer or may not be sent any more.

        Raises ApplicationError(outcome_unknown), to be retried, while it may.
        """
        pay_in, policy = order.pay_in, order.pay_in.policy
        return await pursued(
            lambda: self._pursue_stake(order), policy.retry, policy.accept_within, until=pay_in.not_after
        )

    @activity.defn(name="find_stake")
    async def find_stake(self, order: FindStake) -> Step:
        """Decide by payments/info whether the casino holds a stake that may not be sent any more.

        Raises ApplicationError(outcome_unknown), to be retried, where the casino's answer is unclear.
        """
        pay_in, bet_id, owner = order.pay_in, order.bet_id, order.owner
        casino, policy, movement = await self._gateway.casino(pay_in.casino_id), pay_in.policy, _debit(pay_in, bet_id)
        if word := await self._gateway.confirmed(casino, movement):
            record = await self._bets.accept(bet_id, owner, word)
            return Step(progress=_standing(record, owner), detail="confirmed by an Accept", record=record)
        try:
            found = await self._gateway.look(casino, movement, policy.retry, policy.attempt_timeout)
        except MovementDiffers as difference:
            kind, theirs = movement.transaction_type, difference.theirs
            record = await self._bets.park(bet_id, owner, kind, DUPLICATE, theirs)
            return Step(progress=_standing(record, owner), detail=str(difference), record=record)
        if found:
            record = await self._bets.accept(bet_id, owner, NO_CONFIRMATION)
            return Step(progress=_standing(record, owner), record=record)
        if not order.second_look:
            return Step(progress=Progress.UNKNOWN, detail="absent at the first look")
        if order.refund_filed:
            record = await self._bets.refund_absent(bet_id, owner)
        else:
            record = await self._bets.refuse_absent(bet_id, owner, Code.CASINO_UNAVAILABLE)
        progress = _standing(record, owner)
        if progress is Progress.PARKED and await self._gateway.was_told(movement):
            return Step(progress=Progress.UNKNOWN, detail="an Accept has come meanwhile", record=record)
        return Step(progress=progress, detail="the casino never took it", record=record)

    @activity.defn(name="try_credit")
    async def try_credit(self, order: Pay) -> Step:
        """Credit the player, with as many sends as the order allows; none where the casino does not answer anyway."""
        return await at_once(lambda: self._credits.attempt(order), order.sends)

    @activity.defn(name="pursue_credit")
    async def pursue_credit(self, order: Pay) -> Step:
        """Credit the player, for as long as it takes. Raises ApplicationError(outcome_unknown), to be retried."""
        return await pursued(lambda: self._credits.pursue(order), order.retry, order.accept_within)

    @activity.defn(name="find_credit")
    async def find_credit(self, order: FindCredit) -> Step:
        """Decide by payments/info whether a parked credit that was paid by hand has reached the casino all the same.

        Raises ApplicationError(outcome_unknown), to be retried, where the casino's answer is unclear.
        """
        return await self._credits.find(order)

    @activity.defn(name="close_at_casino")
    async def close_at_casino(self, order: CloseAtCasino) -> None:
        """Tell the casino that the bet is over, or open again. Raises ApplicationError, to be retried, until it has
        understood."""
        casino = await self._gateway.casino(order.casino_id)
        await self._gateway.close(casino, order.bet_id, order.attempt_timeout, closed=order.closed)

    async def _try_stake(self, order: TakeStake) -> Step:
        """In the fast lane a new stake is refused at once where the casino does not answer, or has its hands full; one
        that was begun before is left to the slow lane then."""
        casino = await self._gateway.casino(order.pay_in.casino_id)
        patience = min(order.pay_in.policy.attempt_timeout, order.pay_in.answer_by - now())
        with ExitStack() as held:
            try:
                held.enter_context(self._gateway.admission.slot(casino, FAST))
                admitted = await self._gateway.admission.may_stake(casino)
            except NotAdmitted:
                admitted = False
            return await self._take_stake(casino, order, patience, admitted=admitted)

    async def _pursue_stake(self, order: TakeStake) -> Step:
        casino = await self._gateway.casino(order.pay_in.casino_id)
        with self._gateway.admission.slot(casino, SLOW):
            return await self._take_stake(casino, order)

    async def _take_stake(
        self, casino: Casino, order: TakeStake, patience: timedelta = timedelta(), *, admitted: bool = True
    ) -> Step:
        pay_in, owner = order.pay_in, order.owner
        claim = await self._bets.open(pay_in, owner, *_opening(order, admitted=admitted))
        if claim is None:
            return Step(progress=Progress.FOREIGN, detail="its session, player, casino and game are not of one row")
        record = claim.record
        if claim.attempts is None:
            return Step(progress=_standing(record, owner), record=record)
        if claim.counted and not admitted:
            raise NotAdmitted("the casino does not answer, or is slow: all its places are taken")
        await failpoints.reach("debit_counted")
        if claim.counted and claim.attempts == 1 and now() > pay_in.answer_by:
            return await self._never_sent(record.bet_id, owner)
        if pay_in.stake.minor == 0 and not casino.profile.send.zero_stakes:
            record = await self._bets.accept(record.bet_id, owner, NO_CONFIRMATION)
            return Step(progress=_standing(record, owner), detail="a free round is not sent", record=record)
        return await self._debit(casino, pay_in, owner, claim, patience)

    async def _debit(self, casino: Casino, pay_in: PayIn, owner: str, claim: Claim, patience: timedelta) -> Step:
        record = claim.record
        bet_id = record.bet_id
        movement = replace(_debit(pay_in, bet_id), partner_user_id=claim.partner_user_id)
        try:
            made, verdict = await self._gateway.make(casino, movement, claim, pay_in.policy.attempt_timeout, patience)
        except LastMomentPassed:
            if claim.attempts == 1:
                return await self._never_sent(bet_id, owner)
            return Step(progress=Progress.UNKNOWN, detail="its last moment has passed", record=record)
        await failpoints.reach("debit_answered")
        match verdict.progress:
            case Progress.DONE:
                record = await self._bets.accept(bet_id, owner, confirmation_of(made))
                if record.state.is_terminal and record.accepted_at is None:
                    return await self._taken_after_its_end(record, movement, made)
            case Progress.REFUSED:
                if made.answer.meaning == NOT_SENT:
                    return await self._never_sent(bet_id, owner, f"not sent: {made.answer.message}")
                refusal = verdict.refusal or Code.CASINO_REFUSED
                record = await self._bets.refuse_only_send(
                    bet_id, owner, refusal, movement="refused", error_code=made.answer.error_code
                )
                return _refused(record, owner, made.answer.message)
            case Progress.PARKED:
                record = await self._bets.park(
                    bet_id, owner, movement.transaction_type, made.answer.error_code, made.theirs
                )
            case _:
                return await self._gateway.unknown(casino, claim, movement, made, verdict, pay_in.policy.retry)
        await failpoints.reach("debit_recorded")
        return Step(progress=_standing(record, owner), detail=made.answer.message, record=record)

    async def _never_sent(self, bet_id: int, owner: str, detail: str = "too late to send") -> Step:
        """The one send that was counted did not leave: nothing can be at the casino."""
        record = await self._bets.refuse_only_send(bet_id, owner, Code.CASINO_UNAVAILABLE, movement="absent")
        return _refused(record, owner, detail)

    async def _taken_after_its_end(self, record: BetRecord, movement: Movement, made: MakeAnswer) -> Step:
        """The casino took a stake whose bet has ended without it: it is owed back, and the outcome stays."""
        record = await self._bets.taken_after_the_end(record, confirmation_of(made), movement.facts())
        return Step(progress=Progress.REFUSED, detail="debited after the end", record=record)


def _opening(order: TakeStake, *, admitted: bool) -> tuple[BetState, Code | None]:
    """The state that a fresh row begins in: no stake is sent that we refuse ourselves, or once a Refund is filed, or to
    a casino that does not answer."""
    if order.pay_in.refusal is not None:
        return BetState.REFUSED, order.pay_in.refusal
    if order.refund_filed:
        return BetState.REFUNDED, None
    if not admitted:
        return BetState.REFUSED, Code.CASINO_UNAVAILABLE
    return BetState.ACCEPTING, None


def _standing(record: BetRecord, owner: str) -> Progress:
    """How the debit of a row stands that has no send to make."""
    if record.owner != owner:
        return Progress.FOREIGN
    match record.state:
        case BetState.ACCEPTING:
            return Progress.PARKED
        case BetState.REFUSED:
            return Progress.REFUSED
        case BetState.REFUNDED if record.accepted_at is None:
            return Progress.REFUSED
        case _:
            return Progress.DONE


def _refused(record: BetRecord, owner: str, detail: str) -> Step:
    """A refusal, unless another process has counted a send meanwhile: then nobody knows yet."""
    if record.owner == owner and record.state is not BetState.REFUSED:
        return Step(progress=Progress.UNKNOWN, detail=detail, record=record)
    return Step(progress=_standing(record, owner), detail=detail, record=record)


def _debit(pay_in: PayIn, bet_id: int) -> Movement:
    return Movement(bet_id, TransactionType.ACCEPT_BET, pay_in.partner_user_id, pay_in.stake, pay_in.not_after)
