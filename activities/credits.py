"""Credits of a bet, a reversal or a cashback, and the rows that count and keep them.

What is owed to the player is sent until the casino has made it, or a person has to decide.
"""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Protocol

import prometheus_client

from activities.admission import FAST, AdmissionControl, Lane, NotAdmitted
from activities.confirmations import ACCEPT
from activities.pending_movement import (
    NO_CONFIRMATION,
    ClaimedMovement,
    Outcome,
    ParkingRows,
    SendPolicy,
    unless_overtaken,
)
from betcore.casino.movement import Movement
from betcore.db.bets import Bets
from betcore.db.win_reviews import WinReviews
from betcore.domain.activity_inputs import PAID_TWICE, Incident, Pay, Progress, Step
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.cashback import CashbackRecord, CashbackState
from betcore.domain.claims import Claim, Confirmation
from betcore.domain.ids import TransactionType
from betcore.domain.partners import Casino
from betcore.domain.records import Record
from betcore.domain.win_review import ReviewState
from betcore.runtime import failpoints

HELD = prometheus_client.Counter("betcore_wins_held", "Wins that were put into review, by each limit", ["limit"])


class CreditRows(ParkingRows, Protocol):
    """The rows of the bet, the reversal or the cashback that a credit is of. Each write names the owner."""

    async def begin_credit(self, pay: Pay) -> Claim[Record]:
        """Count a send of the credit. Nothing is counted if it is done, or another workflow owns the rows."""
        ...

    async def credit_done(
        self, bet_id: int, owner: str, transaction_type: TransactionType, confirmation: Confirmation, how: str = "done"
    ) -> Record:
        """Record that the player has the money; ``how`` is ``paid_by_hand`` if it did not come from this service."""
        ...


class PendingCredit:
    """A credit that is owed to the player; ``name`` is the first part of its failpoints."""

    def __init__(self, bets: Bets, reviews: WinReviews, rows: CreditRows, pay: Pay) -> None:
        self._bets = bets
        self._reviews = reviews
        self._rows = rows
        self._pay = pay
        self.name = "jackpot" if pay.transaction_type is TransactionType.JACKPOT_PAY_OUT else "credit"
        self.casino_id = pay.casino_id
        self.policy = SendPolicy.of_credit(pay)
        self.movement = Movement(
            pay.bet_id, pay.transaction_type, pay.partner_user_id, pay.amount, cashback=pay.cashback
        )

    @property
    def patience(self) -> timedelta:
        """Return how long the fast lane waits for an Accept."""
        return self.policy.attempt_timeout

    async def admit(self, admission: AdmissionControl, casino: Casino, lane: Lane, held: ExitStack) -> bool:
        """Take a slot, and pass the circuit breaker in the fast lane or the rate limit in the slow one.

        Raises NotAdmitted. An Accept in the row passes both, because it is only read.
        """
        held.enter_context(admission.slot(casino, lane))
        try:
            await (admission.check_credit(casino) if lane is FAST else admission.wait_for_turn(casino))
        except NotAdmitted:
            if casino.profile.confirmation != ACCEPT or not await self._has_accept():
                raise
        return True

    async def claim(self, casino: Casino, *, admitted: bool) -> ClaimedMovement | Step:
        """Count a send of the credit; return a Step if it is done, or is not this workflow's to make."""
        pay = self._pay
        if pay.limits is not None:
            for limit in await self._reviews.hold(pay):
                HELD.labels(limit).inc()
            await failpoints.reach("win_weighed")
        claim = await self._rows.begin_credit(pay)
        if claim.attempts is None:
            return self._step(claim.record)
        # A credit has no last moment, but this send has one: a worker that was frozen here must not pay, minutes later,
        # what a person has paid by hand meanwhile.
        not_after = datetime.now(UTC) + timedelta(seconds=casino.profile.message_lifetime)
        await failpoints.reach(f"{self.name}_counted")
        is_return = pay.transaction_type is TransactionType.BET_RETURN
        if pay.amount.minor == 0 and is_return and not casino.profile.send.zero_stakes:
            return await self.record_done(NO_CONFIRMATION, "a free round is not returned")
        return ClaimedMovement.of(self.movement, claim, not_after)

    async def record(self, claimed: ClaimedMovement, outcome: Outcome) -> Step:
        """Record that the player has the money, or that a person has to decide."""
        if outcome.progress is Progress.DONE:
            step = await self.record_done(outcome.confirmation, outcome.detail)
        else:
            record, parked = await self._park(outcome, claimed.sends)
            step = unless_overtaken(self._step(record, outcome.detail), parked=parked)
        await failpoints.reach(f"{self.name}_recorded")
        return step

    async def record_expired(self, claimed: ClaimedMovement) -> Step:
        """Leave the credit to its next send."""
        return Step(progress=Progress.UNKNOWN, detail="too late for this send", record=claimed.claim.record)

    async def record_done(self, confirmation: Confirmation, detail: str, how: str = "done") -> Step:
        """Record that the player has the money; ``how`` is ``paid_by_hand`` if it did not come from this service."""
        pay = self._pay
        record = await self._rows.credit_done(pay.bet_id, pay.owner, pay.transaction_type, confirmation, how)
        return self._step(record, detail)

    async def record_found(self, outcome: Outcome) -> Step:
        """Record what the casino has of a parked credit that was marked as paid by hand.

        If the casino has made it as well, an incident is filed before the credit counts as done.
        """
        if outcome.progress is not Progress.DONE:
            record, _ = await self._park(outcome)
            return self._step(record, outcome.detail)
        await self.file_paid_twice(outcome.confirmation)
        return await self.record_done(outcome.confirmation, outcome.detail)

    async def _park(self, outcome: Outcome, sends: int | None = None) -> tuple[Record, bool]:
        pay, error_code = self._pay, outcome.answer.error_code
        return await self._rows.park(
            pay.bet_id, pay.owner, pay.transaction_type, error_code, outcome.theirs, sends=sends
        )

    async def file_paid_twice(self, confirmation: Confirmation) -> None:
        """File an incident: the casino has made the credit that a person has paid by hand."""
        facts, theirs_id = self.movement.facts(), confirmation.partner_transaction_id
        theirs = facts | ({"partner_transaction_id": theirs_id} if theirs_id else {})
        ours = facts | {"state": "marked as paid by hand"}
        await self._bets.file_incident(Incident(bet_id=self._pay.bet_id, kind=PAID_TWICE, ours=ours, theirs=theirs))

    async def _has_accept(self) -> bool:
        pay = self._pay
        accept = await self._bets.await_accept(pay.bet_id, pay.transaction_type, timedelta(), pay.amount.currency)
        return accept is not None

    def _step(self, record: Record, detail: str = "") -> Step:
        """Return how a credit stands that has no send to make. Raises RuntimeError if it was never begun."""
        progress = _of_cashback(record, self._pay) if isinstance(record, CashbackRecord) else _of_bet(record, self._pay)
        return Step(progress=progress, detail=detail, record=record)


def _of_cashback(record: CashbackRecord, pay: Pay) -> Progress:
    if record.owner != pay.owner:
        return Progress.FOREIGN
    return Progress.PARKED if record.state is CashbackState.ISSUING else Progress.DONE


def _of_bet(record: BetRecord, pay: Pay) -> Progress:
    owned = record.reversal if pay.reverses else record
    if owned is None or owned.owner != pay.owner:
        return Progress.FOREIGN
    if owned.closed_at is not None or _is_paid_before_its_jackpot(record, pay):
        return Progress.DONE
    if not pay.reverses and record.state is BetState.ACCEPTANCE and (progress := _of_review(record, pay)):
        return progress
    if not pay.reverses and _is_decided_otherwise(record, pay):
        return Progress.REFUSED
    if record.reversal is not None or record.state in (BetState.SETTLING, BetState.REFUNDING):
        return Progress.PARKED
    raise RuntimeError(f"bet {record.bet_id} is {record.state}: nothing to credit")


def _of_review(record: BetRecord, pay: Pay) -> Progress | None:
    """Return how a credit stands that a review of the bet's win keeps from beginning; None if none does."""
    review = record.review
    if pay.transaction_type is not TransactionType.PAY_OUT:
        return Progress.REFUSED if record.bound_to else None
    if review is None or review.state is ReviewState.RELEASED:
        return None
    if review.refuses(pay.amount, pay.jackpot):
        return Progress.WIN_REFUSED
    return Progress.IN_REVIEW if review.state is ReviewState.IN_REVIEW else None


def _is_paid_before_its_jackpot(record: BetRecord, pay: Pay) -> bool:
    """Return whether the credit is the win of a bet that stays open for its jackpot."""
    return pay.transaction_type is TransactionType.PAY_OUT and record.jackpot_due is not None


def _is_decided_otherwise(record: BetRecord, pay: Pay) -> bool:
    """Return whether the row of an open bet stands against a credit: it has the other outcome, or another win."""
    if pay.transaction_type is TransactionType.JACKPOT_PAY_OUT:
        return False
    if pay.transaction_type is not TransactionType.PAY_OUT:
        return record.state is BetState.SETTLING
    withdrawn = record.state is BetState.ACCEPTANCE and record.withdrawn_at is not None
    return withdrawn or record.state is BetState.REFUNDING or record.win not in (None, pay.amount)
