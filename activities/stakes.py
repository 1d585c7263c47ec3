"""The stake of a bet: the debit with which the bet opens, and the rows that count its sends and keep its result."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from activities.admission import SLOW, AdmissionControl, Lane, NotAdmitted
from activities.pending_movement import NO_CONFIRMATION, ClaimedMovement, Outcome, SendPolicy, unless_overtaken
from betcore.casino.movement import Movement
from betcore.db.bets import Bets
from betcore.domain.activity_inputs import Incident, Progress, Step, TakeStake
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.errors import Code
from betcore.domain.ids import TransactionType
from betcore.domain.messages import PayIn
from betcore.domain.partners import Casino
from betcore.runtime import failpoints


class PendingStake:
    """A stake that is to be debited."""

    name = "debit"

    def __init__(self, bets: Bets, order: TakeStake) -> None:
        self._bets = bets
        self._order = order
        self._pay_in = order.pay_in
        self.casino_id = order.pay_in.casino_id
        self.policy = SendPolicy.of_debit(order.pay_in.policy)
        self._done_codes: list[str] = []

    @property
    def patience(self) -> timedelta:
        """Return how long the fast lane waits for an Accept: no longer than the provider waits for its answer."""
        return min(self.policy.attempt_timeout, self._pay_in.answer_by - datetime.now(UTC))

    async def admit(self, admission: AdmissionControl, casino: Casino, lane: Lane, held: ExitStack) -> bool:
        """Take a slot and, in the fast lane, pass the circuit breaker; return False if that refuses a new stake."""
        if lane is SLOW:
            held.enter_context(admission.slot(casino, lane))
            return True
        try:
            held.enter_context(admission.slot(casino, lane))
            return await admission.may_stake(casino)
        except NotAdmitted:
            return False

    async def claim(self, casino: Casino, *, admitted: bool) -> ClaimedMovement | Step:
        """Open the bet and count a send, or find its row; return a Step if the stake is not sent.

        A new stake that is not admitted is refused. One that an earlier attempt has begun raises NotAdmitted instead:
        the slow lane goes on with it.
        """
        pay_in, owner, self._done_codes = self._pay_in, self._order.owner, casino.profile.done_codes
        is_sent = pay_in.stake.minor > 0 or casino.profile.send.zero_stakes
        # A jackpot comes after its win, which has to be known first.
        # A win that has limits is weighed when its stake is taken: it cannot be held once it has left with it.
        is_weighed = pay_in.limits is not None and pay_in.win is not None and pay_in.win.minor > 0
        has_win_alone = pay_in.win is not None and pay_in.jackpot is None and not is_weighed
        with_win = is_sent and has_win_alone and casino.profile.send.list == "one_step"
        state, refusal = self._first_state(admitted=admitted)
        refund = self._order.refund_proof
        claim = await self._bets.open(pay_in, owner, state, refusal, with_win=with_win, refund=refund)
        if claim is None:
            return Step(progress=Progress.FOREIGN, detail="its session, player, casino and game are not of one row")
        record = claim.record
        # The row has counted no send of a win that its session has limits for.
        with_win = with_win and record.win_limits is None
        if claim.attempts is None:
            return self._step(record, "")
        if claim.counted and not admitted:
            raise NotAdmitted("the casino does not answer, or is slow: all its places are taken")
        await failpoints.reach("debit_counted")
        opens = claim.counted and claim.attempts == 1
        if opens and datetime.now(UTC) > pay_in.answer_by:
            return await self._record_never_sent(record.bet_id, "too late to send")
        if not is_sent:
            record = await self._bets.accept(record.bet_id, owner, NO_CONFIRMATION)
            return self._step(record, "a free round is not sent")
        # The win leaves with the send that has opened the bet, and with no other: each later one is to find out about
        # the stake alone, and the win may be at the casino already.
        win = win_of(pay_in, record.bet_id) if opens and with_win else None
        return ClaimedMovement.of(debit_of(pay_in, record.bet_id), claim, pay_in.not_after, win)

    async def record(self, claimed: ClaimedMovement, outcome: Outcome) -> Step:
        """Record that the casino has taken the stake, has refused it, or has another movement in its place."""
        bet_id, owner, parked = claimed.movement.bet_id, self._order.owner, True
        match outcome.progress:
            case Progress.DONE:
                record = await self._record_taken(bet_id, outcome)
                if record.state.is_terminal and record.accepted_at is None:
                    return await self._record_taken_after_the_end(record, claimed.movement, outcome)
            case Progress.REFUSED if outcome.was_not_sent:
                return await self._record_never_sent(bet_id, f"not sent: {outcome.detail}")
            case Progress.REFUSED:
                refusal = outcome.classification.refusal or Code.CASINO_REFUSED
                record = await self._refuse(bet_id, refusal, "refused", outcome.answer.error_code)
                return self._refused(record, outcome.detail)
            case _:
                transaction_type, error_code = claimed.movement.transaction_type, outcome.answer.error_code
                record, parked = await self._bets.park(
                    bet_id, owner, transaction_type, error_code, outcome.theirs, sends=claimed.sends
                )
        await failpoints.reach("debit_recorded")
        return unless_overtaken(self._step(record, outcome.detail), parked=parked)

    async def record_expired(self, claimed: ClaimedMovement) -> Step:
        """Refuse the bet if this was its only send; if not, an earlier one may be at the casino."""
        if claimed.sends == 1:
            return await self._record_never_sent(claimed.movement.bet_id, "too late to send")
        record = claimed.claim.record
        return Step(progress=Progress.UNKNOWN, detail="its last moment has passed", record=record)

    def _first_state(self, *, admitted: bool) -> tuple[BetState, Code | None]:
        """Return the state of a new row: no stake is sent that this service refuses, after a Refund, or to a casino
        that is not to get any."""
        if self._pay_in.refusal is not None:
            return BetState.REFUSED, self._pay_in.refusal
        if self._order.refund_filed:
            return BetState.REFUNDED, None
        if not admitted:
            return BetState.REFUSED, Code.CASINO_UNAVAILABLE
        return BetState.ACCEPTING, None

    async def _record_taken(self, bet_id: int, outcome: Outcome) -> BetRecord:
        owner = self._order.owner
        if outcome.win is None:
            return await self._bets.accept(bet_id, owner, outcome.confirmation)
        return await self._bets.settle_with_stake(bet_id, owner, outcome.confirmation, outcome.win)

    async def _record_never_sent(self, bet_id: int, detail: str) -> Step:
        """Refuse a bet whose only counted send did not leave: nothing of it can be at the casino."""
        return self._refused(await self._refuse(bet_id, Code.CASINO_UNAVAILABLE, "absent"), detail)

    async def _refuse(self, bet_id: int, refusal: Code, movement: str, error_code: str | None = None) -> BetRecord:
        owner, codes = self._order.owner, self._done_codes
        return await self._bets.refuse_only_send(
            bet_id, owner, refusal, movement=movement, done_codes=codes, error_code=error_code
        )

    async def _record_taken_after_the_end(self, record: BetRecord, movement: Movement, outcome: Outcome) -> Step:
        """Book the return of a stake that the casino took although its bet has ended: the outcome stays.

        If it has paid the win too, the stake is not returned alone: a person has to decide.
        """
        win = self._pay_in.win
        if outcome.win is not None and win is not None and win.minor > 0:
            sides = {"ours": record.facts(), "theirs": movement.facts() | {"win": f"{win.currency} {win}"}}
            await self._bets.file_incident(Incident(bet_id=record.bet_id, kind="debited_after_the_end", **sides))
        else:
            record = await self._bets.taken_after_the_end(record, outcome.confirmation, movement.facts())
        return Step(progress=Progress.REFUSED, detail="debited after the end", record=record)

    def _refused(self, record: BetRecord, detail: str) -> Step:
        """Return a refusal; or unknown, if another process has counted a send meanwhile and the bet stays open."""
        if record.owner == self._order.owner and record.state is not BetState.REFUSED:
            return Step(progress=Progress.UNKNOWN, detail=detail, record=record)
        return self._step(record, detail)

    def _step(self, record: BetRecord, detail: str) -> Step:
        progress, settled = progress_of_stake(record, self._order.owner), record.state is BetState.SETTLED
        return Step(progress=progress, detail=detail, record=record, settled=settled)


def progress_of_stake(record: BetRecord, owner: str) -> Progress:
    """Return how the stake of a row stands that has no send to make."""
    if record.owner != owner:
        return Progress.FOREIGN
    if record.state is BetState.ACCEPTING:
        return Progress.PARKED
    return Progress.REFUSED if record.accepted_at is None else Progress.DONE


def debit_of(pay_in: PayIn, bet_id: int) -> Movement:
    """Return the debit of a stake, as the casino gets it."""
    return Movement(bet_id, TransactionType.ACCEPT_BET, pay_in.partner_user_id, pay_in.stake, pay_in.not_after)


def win_of(pay_in: PayIn, bet_id: int) -> Movement | None:
    """Return the win of a PayInOut, as the casino gets it; None if the bet has no win yet."""
    if pay_in.win is None:
        return None
    return Movement(bet_id, TransactionType.PAY_OUT, pay_in.partner_user_id, pay_in.win)
