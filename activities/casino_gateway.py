"""The gateway to the casinos: it gets a movement of money from an activity and returns how the movement stands.

One attempt, for stakes, credits and other debits alike, is ``CasinoGateway._attempt``: admission control, the count of
the send in the movement's row, the send, the casino's confirmation, and the result in the row.
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from temporalio.exceptions import ApplicationError

from activities.admission import FAST, SLOW, AdmissionControl, Lane, NotAdmitted
from activities.confirmations import ACCEPT, Confirmations, is_decided_by_accept, is_only_taken, outcome_of
from activities.look_ups import LookUps, may_be_made
from activities.payments import Payments
from activities.pending_movement import ClaimedMovement, Outcome, PendingMovement, SendPolicy, confirmation_of
from activities.retries import gap_to_next_attempt, is_repeated_at_once, retry_after, retry_not_admitted
from betcore.casino.accept_notifications import AcceptNotifications
from betcore.casino.client import CasinoClient, LastMomentPassed
from betcore.casino.movement import MakeAnswer, Movement, made_without_stake
from betcore.casino.response_reading import CasinoAnswer
from betcore.db.bets import Bets
from betcore.db.partners import Partners
from betcore.domain.activity_inputs import Progress, Step
from betcore.domain.casino_responses import AWAITED, DONE, DUPLICATE, NOT_SENT, PARKED, UNAUTHORISED, classify
from betcore.domain.claims import Confirmation, ReadAccept
from betcore.domain.errors import Code
from betcore.domain.partners import Casino
from betcore.domain.policy import Retry
from betcore.runtime import failpoints, spans

_NO_TIME = timedelta()
# Short, because the activity has to end in time all the same.
_TO_OPEN_WITHIN = timedelta(seconds=1)
_AWAITED = Outcome(CasinoAnswer(None, "awaited", message="its Accept is awaited"), AWAITED)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One send: how long the call may take, and how long the casino's Accept is waited for after it."""

    lane: Lane
    within: timedelta
    patience: timedelta


class CasinoGateway:
    """Sends movements to the wallets of casinos."""

    def __init__(
        self,
        bets: Bets,
        partners: Partners,
        casinos: CasinoClient,
        notifications: AcceptNotifications,
        admission: AdmissionControl,
    ) -> None:
        self._bets = bets
        self._partners = partners
        self._casinos = casinos
        self._admission = admission
        self._payments = Payments(casinos, admission)
        self._confirmations = Confirmations(bets, notifications)
        self._look_ups = LookUps(bets, casinos)

    async def casino(self, casino_id: int) -> Casino:
        """Return the casino as it is known now: an attempt goes to the address that it has at that moment."""
        return await self._partners.casino(casino_id)

    async def run_fast_attempts(self, pending: PendingMovement, until: datetime | None = None) -> Step:
        """Send a movement in the fast lane, while the provider waits: again at once while nothing is known."""
        try:
            step = await self._attempt(pending, FAST)
            for _ in range(pending.policy.fast_attempts - 1):
                if not is_repeated_at_once(step, until):
                    break
                step = await self._attempt(pending, FAST)
        except NotAdmitted as refusal:
            return Step(progress=Progress.UNKNOWN, detail=str(refusal))
        return step

    async def run_slow_attempt(self, pending: PendingMovement, until: datetime | None = None) -> Step:
        """Send a movement once in the slow lane.

        Raises ApplicationError(outcome_unknown), to be retried, while the movement may be sent again before ``until``.
        """
        policy = pending.policy
        try:
            step = await self._attempt(pending, SLOW)
        except NotAdmitted as refusal:
            raise retry_not_admitted(refusal, policy.retry) from None
        gap = gap_to_next_attempt(step, policy.accept_within, until)
        if gap is None:
            return step
        raise retry_after(step.detail, policy.retry, gap)

    async def look_up(self, casino_id: int, movement: Movement, policy: SendPolicy) -> Outcome | None:
        """Return the outcome of a movement by its Accept or by payments/info; None if the casino does not list it.

        Raises ApplicationError(outcome_unknown), to be retried, if the casino's list is unclear.
        """
        casino = await self.casino(casino_id)
        if confirmation := await self._confirmations.fetch_success(casino, movement):
            answer = CasinoAnswer("done", ACCEPT, confirmation.error_code, "confirmed by an Accept")
            return Outcome(answer, DONE, confirmation)
        outcome = await self._look_ups.find(casino, movement, policy.attempt_timeout)
        if outcome is not None and outcome.progress.is_open:
            raise retry_after(f"payments/info gave no clear answer: {outcome.answer.kind}", policy.retry)
        return outcome

    async def fetch_confirmation(self, movement: Movement) -> Confirmation | None:
        """Return the Accept that waits in a movement's row."""
        return await self._confirmations.fetch(movement)

    async def fetch_success_of_ended(self, casino_id: int, movement: Movement) -> Confirmation | None:
        """Return the Accept that was stored just before a movement ended without it, if it confirms the movement."""
        return await self._confirmations.success_of_ended(await self.casino(casino_id), movement)

    async def close(self, casino_id: int, bet_id: int, within: timedelta, *, closed: bool) -> None:
        """Close a bet at the casino, or open it again. Raises ApplicationError, to be retried, until that is done."""
        if not await self._casinos.close(await self.casino(casino_id), bet_id, within, closed=closed):
            raise ApplicationError("the casino did not confirm the close", type=Code.OUTCOME_UNKNOWN)

    async def _attempt(self, pending: PendingMovement, lane: Lane) -> Step:
        """Send a movement once: admit it, count the send in its row, send it, record the result in its row.

        Raises NotAdmitted, and has sent nothing then.
        """
        casino = await self.casino(pending.casino_id)
        patience = pending.patience if lane is FAST else _NO_TIME
        attempt = _Attempt(lane, pending.policy.attempt_timeout, patience)
        with ExitStack() as held:
            admitted = await pending.admit(self._admission, casino, lane, held)
            claimed = await pending.claim(casino, admitted=admitted)
            if isinstance(claimed, Step):
                return claimed
            held.enter_context(spans.about(_facts(claimed)))
            try:
                outcome = await self._send(casino, claimed, attempt)
            except LastMomentPassed:
                return await pending.record_expired(claimed)
            await failpoints.reach(f"{pending.name}_answered")
            if outcome.progress.is_open:
                return await self._record_open(casino, claimed, outcome, pending.policy.retry)
            return await pending.record(claimed, outcome)

    async def _send(self, casino: Casino, claimed: ClaimedMovement, attempt: _Attempt) -> Outcome:
        """Send a movement, or find a credit that an earlier send has made. Raises LastMomentPassed.

        A credit that was parked is looked up before it is sent again, any other one when its answers decide nothing.
        """
        movement, claim = claimed.movement, claimed.claim
        if movement.transaction_type.is_debit:
            return await self._make(casino, claimed, attempt)
        was_parked = claim.counted and claim.was_parked
        if was_parked and (found := await self._look_ups.find_credit(casino, movement, attempt.within)):
            return found
        outcome = await self._make(casino, claimed, attempt)
        is_doubtful = not was_parked and may_be_made(claim, outcome)
        if is_doubtful and (found := await self._look_ups.find_credit(casino, movement, attempt.within)):
            return found
        return outcome

    async def _make(self, casino: Casino, claimed: ClaimedMovement, attempt: _Attempt) -> Outcome:
        """Send a movement if its send was counted, and wait for the Accept of a casino that confirms with one."""
        async with self._confirmations.expect(claimed.movement) as stored:
            if claimed.claim.counted:
                outcome = await self._post(casino, claimed, attempt)
                if not is_decided_by_accept(casino, outcome):
                    return outcome
            confirmation = claimed.claim.accept or await self._confirmations.wait(
                casino, claimed, stored, attempt.patience
            )
        if confirmation is None:
            return _AWAITED
        outcome = outcome_of(casino, claimed, confirmation)
        # A refusal that leaves the movement unknown is a failure of the casino, as an error in its answer to make is.
        decides = outcome.progress is not Progress.UNKNOWN
        answer = outcome.answer if decides else replace(outcome.answer, meaning=None)
        await self._admission.record_result(casino, answer)
        return outcome

    async def _post(self, casino: Casino, claimed: ClaimedMovement, attempt: _Attempt) -> Outcome:
        """Request make at the casino, and classify its answer."""
        if claimed.win is not None:
            return await self._post_with_win(casino, claimed, claimed.win, attempt)
        made = await self._payments.make(casino, claimed, attempt.lane, attempt.within)
        return await self._classify(casino, claimed, made, attempt)

    async def _post_with_win(
        self, casino: Casino, claimed: ClaimedMovement, win: Movement, attempt: _Attempt
    ) -> Outcome:
        """Request make-list for a stake and its win, and classify what the answer says of the stake.

        What it says of the win counts only beside a stake that it says is made.
        """
        made = await self._payments.make_one_step(casino, claimed.movement, win, attempt.within)
        if made.broken:
            return Outcome.of_answer(made.stake, PARKED, theirs=made_without_stake(win))
        outcome = await self._classify(casino, claimed, made.stake, attempt)
        if outcome.classification != DONE or made.win.answer.meaning != "done":
            return outcome
        if casino.profile.confirmation == ACCEPT:
            # The win was only taken: it is not sent again before its Accept is late.
            await self._confirmations.fetch(win, timedelta(seconds=casino.profile.accept_within))
            return outcome
        return replace(outcome, win=confirmation_of(made.win))

    async def _classify(self, casino: Casino, claimed: ClaimedMovement, made: MakeAnswer, attempt: _Attempt) -> Outcome:
        if made.answer.meaning != DUPLICATE:
            transaction_type = claimed.movement.transaction_type
            return Outcome.of_answer(made, classify(transaction_type, made.answer.meaning, claimed.sends))
        outcome = await self._look_ups.classify_duplicate(casino, claimed, made, attempt.within)
        if is_only_taken(casino, made.answer) and outcome.listed:
            await self._admission.record_result(casino, made.answer)
        return outcome

    async def _record_open(self, casino: Casino, claimed: ClaimedMovement, outcome: Outcome, retry: Retry) -> Step:
        """Note an answer that decides nothing; after a refusing Accept, set when the next send may leave."""
        answer, record, transaction_type = outcome.answer, claimed.claim.record, claimed.movement.transaction_type
        wait = None if claimed.claim.counted else claimed.claim.waits
        await self._bets.note(
            claimed.movement.bet_id,
            "answer",
            type=int(transaction_type),
            progress=outcome.progress,
            kind=answer.kind,
            error_code=answer.error_code,
        )
        if isinstance(outcome.confirmation, ReadAccept):
            wait = retry.gap(outcome.confirmation.sends)
            await self._bets.forget_refusal(claimed.movement.bet_id, transaction_type, outcome.confirmation, wait)
        elif outcome.progress is Progress.UNKNOWN and casino.profile.confirmation == ACCEPT:
            # The answer is lost, the Accept may still come: from now on it is signalled to the workflow.
            await self._confirmations.fetch(claimed.movement)
        if may_be_closed(casino, claimed, outcome):
            # The next send finds it open, if it was that; the bet closes it again at its end. A failure says nothing.
            await self._casinos.close(casino, claimed.movement.bet_id, _TO_OPEN_WITHIN, closed=False)
        detail = f"{answer.kind} {answer.error_code or ''} {answer.message}".strip()
        return Step(progress=outcome.progress, detail=detail, record=record, wait=wait)


def _facts(claimed: ClaimedMovement) -> spans.Facts:
    """Return what traces say of one send of a movement: neither its amount nor whose it is."""
    movement = claimed.movement
    return {
        "betcore.cashback_id" if movement.cashback else "betcore.bet_id": movement.bet_id,
        "betcore.transaction_type": int(movement.transaction_type),
        "betcore.attempt": claimed.sends,
    }


def may_be_closed(casino: Casino, claimed: ClaimedMovement, outcome: Outcome) -> bool:
    """Return whether a bet's credit may have been refused because its casino has closed the bet meanwhile, by itself.

    The reference has no code for that: any refusal may be it, if the casino takes closes at all.
    """
    is_refused = outcome.answer.meaning not in (None, UNAUTHORISED, NOT_SENT, DUPLICATE, "done")
    is_credit_of_bet = not claimed.movement.transaction_type.is_debit and not claimed.movement.cashback
    return casino.profile.send.close and is_refused and is_credit_of_bet
