"""A movement of money that is still to be made, as the gateway to the casinos sees it: what a stake, a credit and a
debit with windows have in common."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from activities.admission import AdmissionControl, Lane
from betcore.casino.movement import MakeAnswer, Movement
from betcore.casino.response_reading import CasinoAnswer
from betcore.domain.activity_inputs import Pay, Progress, Step
from betcore.domain.casino_responses import NOT_SENT, Classification
from betcore.domain.claims import Claim, Confirmation
from betcore.domain.ids import TransactionType
from betcore.domain.partners import Casino
from betcore.domain.policy import MovementPolicy, Retry
from betcore.domain.records import Record

# What the row keeps of a movement that is done without the casino, or that only payments/info has shown.
NO_CONFIRMATION = Confirmation(None, None, None)


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """How often, how long and how fast a movement is sent.

    ``accept_within`` is how long the casino's Accept may take; None if its answer to make is final.
    """

    fast_attempts: int
    attempt_timeout: timedelta
    retry: Retry
    accept_within: timedelta | None

    @classmethod
    def of_debit(cls, policy: MovementPolicy) -> "SendPolicy":
        """Return the policy for a debit."""
        return cls(policy.fast_attempts, policy.attempt_timeout, policy.retry, policy.accept_within)

    @classmethod
    def of_credit(cls, pay: Pay) -> "SendPolicy":
        """Return the policy for a credit, which brings its own."""
        return cls(pay.sends, pay.attempt_timeout, pay.retry, pay.accept_within)


class ParkingRows(Protocol):
    """The rows of a movement that can be left to a person."""

    async def park(
        self,
        bet_id: int,
        owner: str,
        transaction_type: TransactionType,
        error_code: str | None,
        theirs: Mapping[str, str] | None = None,
        *,
        sends: int | None = None,
    ) -> tuple[Record, bool]:
        """Leave the movement to a person, with the casino's reason and an incident.

        Return whether it was parked: not if more than these ``sends`` are counted, or another Accept was stored.
        """
        ...


@dataclass(frozen=True, slots=True)
class ClaimedMovement:
    """A movement whose row is claimed. The casino gets ``movement``; ``claim`` says whether it may go out now.

    ``win`` is what goes out in the same call, counted as well: the win of the stake that ``movement`` is.
    """

    movement: Movement
    claim: Claim[Record]
    win: Movement | None = None

    @classmethod
    def of(
        cls, movement: Movement, claim: Claim[Record], not_after: datetime | None, win: Movement | None = None
    ) -> "ClaimedMovement":
        """Return a movement with what its rows say of it, and not the argument of a workflow: the player whose money it
        is, the session's TagId, and what the provider has given for the casino with the stake or the winnings."""
        record = claim.record

        def by_the_rows(one: Movement) -> Movement:
            return replace(
                one,
                not_after=not_after,
                partner_user_id=claim.partner_user_id,
                tag_id=claim.tag_id,
                tax=record.tax_of(one.transaction_type),
                promo_code=record.promo_code,
            )

        return cls(by_the_rows(movement), claim, win and by_the_rows(win))

    @property
    def sends(self) -> int:
        """Return the number of sends that may have left this service, this one included."""
        return self.claim.attempts or 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the casino's response means for a movement, and what the row keeps of it.

    ``theirs`` is the movement that payments/info lists in the place of ours; ``listed`` says that it lists ours.
    ``win`` is the casino's confirmation of the win that left with a stake, None if it has not made that at once.
    """

    answer: CasinoAnswer
    classification: Classification
    confirmation: Confirmation = NO_CONFIRMATION
    theirs: Mapping[str, str] | None = None
    listed: bool = False
    win: Confirmation | None = None

    @classmethod
    def of_answer(
        cls,
        made: MakeAnswer,
        classification: Classification,
        *,
        theirs: Mapping[str, str] | None = None,
        listed: bool = False,
    ) -> "Outcome":
        """Return the outcome of an answer to make."""
        return cls(made.answer, classification, confirmation_of(made), theirs, listed)

    @property
    def progress(self) -> Progress:
        """Return how the movement stands."""
        return self.classification.progress

    @property
    def detail(self) -> str:
        """Return the casino's own words, for people."""
        return self.answer.message

    @property
    def was_not_sent(self) -> bool:
        """Return whether no connection to the casino was made: nothing of this send can be there."""
        return self.answer.meaning == NOT_SENT


def confirmation_of(made: MakeAnswer) -> Confirmation:
    """Return what the row keeps of an answer to make."""
    return Confirmation(made.answer.error_code, made.partner_transaction_id, made.balance)


def unless_overtaken(step: Step, *, parked: bool) -> Step:
    """Return the step of a movement that was to be ``parked``: unknown if its row shows more than this attempt knew.

    Another send was counted, or an Accept was stored: the next attempt reads the row anew.
    """
    if parked or step.progress is not Progress.PARKED:
        return step
    return step.model_copy(update={"progress": Progress.UNKNOWN, "detail": "another send or an Accept was faster"})


class PendingMovement(Protocol):
    """A stake, a credit or a debit with windows that is to be made, with the rows that count its sends and keep its
    result.

    ``name`` is the first part of its failpoints.
    """

    @property
    def name(self) -> str: ...
    @property
    def casino_id(self) -> int: ...
    @property
    def policy(self) -> SendPolicy: ...

    @property
    def patience(self) -> timedelta:
        """Return how long an attempt in the fast lane waits for the casino's Accept."""
        ...

    async def admit(self, admission: AdmissionControl, casino: Casino, lane: Lane, held: ExitStack) -> bool:
        """Take a slot, which ``held`` gives back, and pass the gates of this kind of movement.

        Return False if the movement may only be claimed as a new stake that is refused. Raises NotAdmitted.
        """
        ...

    async def claim(self, casino: Casino, *, admitted: bool) -> ClaimedMovement | Step:
        """Count a send in the row before it leaves; return a Step instead if there is nothing to send."""
        ...

    async def record(self, claimed: ClaimedMovement, outcome: Outcome) -> Step:
        """Record a definite outcome in the row: done, refused or parked."""
        ...

    async def record_expired(self, claimed: ClaimedMovement) -> Step:
        """Record that the send did not leave, because its last moment had passed."""
        ...
