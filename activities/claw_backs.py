"""The claw-back of a win: the debit with which a reversal begins.

Like the debit of a stake it has a last moment, and a refusal ends it only if no other send of it can exist. Unlike a
stake it may be sent in another window, once everything that was sent before is certainly not at the casino.
"""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities.admission import AdmissionControl, Lane
from activities.casino_gateway import CasinoGateway
from activities.pending_movement import ClaimedMovement, Outcome, SendPolicy
from betcore.casino.movement import Movement
from betcore.db.bets import Bets
from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import ClawBack, Incident, OpenReversal, Progress, Step
from betcore.domain.bet import BetRecord, ReversalState
from betcore.domain.ids import TransactionType
from betcore.domain.messages import Reverse
from betcore.domain.partners import Casino
from betcore.runtime import failpoints

# How the claw-back stands, by the state of its movement, if there is no send to make.
_ENDED = {"done": Progress.DONE, "refused": Progress.REFUSED}


class ClawBacks:
    """The activities of a reversal, apart from the return of the stake: that is a credit like any other."""

    def __init__(self, gateway: CasinoGateway, bets: Bets, reversals: Reversals) -> None:
        self._gateway = gateway
        self._bets = bets
        self._reversals = reversals

    @activity.defn(name="open_reversal")
    async def open_reversal(self, order: OpenReversal) -> BetRecord:
        """Write the reversal's row before any of its money moves, or find it, or take it over."""
        return await self._reversals.open(order.bet_id, order.owner, order.resumed)

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

    def _pending(self, order: ClawBack) -> "PendingClawBack":
        return PendingClawBack(self._bets, self._reversals, order)


class PendingClawBack:
    """A win that is to be taken back within a window."""

    name = "claw_back"

    def __init__(self, bets: Bets, reversals: Reversals, order: ClawBack) -> None:
        self._bets = bets
        self._reversals = reversals
        self._order = order
        self._bet_id, self._owner = order.reverse.bet_id, order.owner
        self.casino_id = order.reverse.casino_id
        self.policy = SendPolicy.of_bet(order.reverse.policy)
        self.movement = claw_back_of(order.reverse, order.not_after)

    @property
    def patience(self) -> timedelta:
        """Return how long the fast lane waits for an Accept."""
        return self.policy.attempt_timeout

    async def admit(self, admission: AdmissionControl, casino: Casino, lane: Lane, held: ExitStack) -> bool:
        """Take a slot. A claw-back passes neither circuit breaker nor rate limit. Raises NotAdmitted."""
        held.enter_context(admission.slot(casino, lane))
        return True

    async def claim(self, casino: Casino, *, admitted: bool) -> ClaimedMovement | Step:
        """Count a send of the claw-back; return a Step if it has ended, is parked, or is not this workflow's."""
        claim = await self._reversals.begin_claw_back(self._bet_id, self._owner, self._order.not_after)
        if claim.attempts is None:
            return self._step(claim.record, _ENDED.get(claim.movement or "", Progress.PARKED))
        await failpoints.reach("claw_back_counted")
        # The last moment is the row's, and not the argument's: an earlier window may still be open.
        return ClaimedMovement.of(self.movement, claim, claim.not_after)

    async def record(self, claimed: ClaimedMovement, outcome: Outcome) -> Step:
        """Record that the casino has taken the win back, has refused to, or has another movement in its place."""
        match outcome.progress:
            case Progress.REFUSED if outcome.was_not_sent:
                is_over = datetime.now(UTC) >= self._order.not_after
                return await self._record_not_sent(f"not sent: {outcome.detail}", is_over=is_over)
            case Progress.DONE:
                record = await self._reversals.clawed_back(self._bet_id, self._owner, outcome.confirmation)
                progress = Progress.DONE
                if _is_refused(record):
                    await self._file_debited_after_the_end(record, claimed.movement)
            case Progress.REFUSED:
                error_code = outcome.answer.error_code
                record = await self._reversals.refuse_only_send(self._bet_id, self._owner, error_code)
                progress = Progress.REFUSED if _is_refused(record) else Progress.UNKNOWN
            case _:
                record, progress = await self._park(outcome), Progress.PARKED
        await failpoints.reach("claw_back_recorded")
        return self._step(record, progress, outcome.detail)

    async def record_expired(self, claimed: ClaimedMovement) -> Step:
        """Record that the send did not leave, because its window is over."""
        return await self._record_not_sent("its last moment has passed", is_over=True)

    async def record_found(self, outcome: Outcome) -> Step:
        """Record what the casino has of a claw-back whose window is over."""
        if outcome.progress is not Progress.DONE:
            return self._step(await self._park(outcome), Progress.PARKED, outcome.detail)
        record = await self._reversals.clawed_back(self._bet_id, self._owner, outcome.confirmation)
        return self._step(record, Progress.DONE, outcome.detail)

    async def record_absent(self, detail: str) -> Step:
        """Record that no send of the claw-back is at the casino, or ever will be."""
        record, absent = await self._reversals.absent(self._bet_id, self._owner)
        return self._step(record, Progress.ABSENT if absent else Progress.UNKNOWN, detail)

    async def _record_not_sent(self, detail: str, *, is_over: bool) -> Step:
        """Record a send that did not leave: if it is the window's only one, nothing of it can be at the casino.

        Until the window ``is_over`` the claw-back goes on in it, at the pace of its lane: else a casino that is down
        would get window after window without a gap.
        """
        record, absent = await self._reversals.absent(self._bet_id, self._owner, sends=1)
        return self._step(record, Progress.ABSENT if absent and is_over else Progress.UNKNOWN, detail)

    async def _park(self, outcome: Outcome) -> BetRecord:
        transaction_type, error_code = self.movement.transaction_type, outcome.answer.error_code
        return await self._reversals.park(self._bet_id, self._owner, transaction_type, error_code, outcome.theirs)

    async def _file_debited_after_the_end(self, record: BetRecord, movement: Movement) -> None:
        """File an incident: the casino has made a claw-back whose reversal has ended without it."""
        sides = {"ours": record.facts(), "theirs": movement.facts()}
        await self._bets.file_incident(Incident(bet_id=record.bet_id, kind="debited_after_the_end", **sides))

    def _step(self, record: BetRecord, progress: Progress, detail: str = "") -> Step:
        own = record.reversal is not None and record.reversal.owner == self._owner
        return Step(progress=progress if own else Progress.FOREIGN, detail=detail, record=record)


def claw_back_of(reverse: Reverse, not_after: datetime | None = None) -> Movement:
    """Return the debit that takes a win back. Raises ValueError if the bet has no win."""
    if reverse.win is None:
        raise ValueError(f"bet {reverse.bet_id} has no win to take back")
    transaction_type = TransactionType.PAY_OUT_RETURN
    return Movement(reverse.bet_id, transaction_type, reverse.partner_user_id, reverse.win, not_after)


def _is_refused(record: BetRecord) -> bool:
    return record.reversal is not None and record.reversal.state is ReversalState.REFUSED
