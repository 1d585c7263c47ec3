"""Inputs and results of the activities of bets, reversals and cashbacks. ``owner`` names the workflow run that asks:
rows that another one has taken over stay as they are."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from betcore.domain.casino_values import short
from betcore.domain.ids import TransactionType
from betcore.domain.jackpots import Jackpot
from betcore.domain.message_base import Message
from betcore.domain.messages import CashbackOrder, PayIn, Resumed, Reverse
from betcore.domain.money import Money
from betcore.domain.policy import Retry
from betcore.domain.proof import Proof
from betcore.domain.records import Record
from betcore.domain.win_review import ReviewState, WinLimits


class Progress(StrEnum):
    """State of a movement after an activity."""

    DONE = "done"
    REFUSED = "refused"  # a debit that did not and will not happen
    UNKNOWN = "unknown"  # it may have happened; only a credit may be sent again without a look-up
    AWAITED = "awaited"  # the casino has received it and will confirm or refuse it with an Accept
    PARKED = "parked"  # an operator must decide
    ABSENT = "absent"  # a claw-back that is certainly not at the casino, and may be sent in another window
    IN_REVIEW = "in_review"  # a win that two operators must release or refuse
    WIN_REFUSED = "win_refused"  # a win that two operators have refused; the bet goes on without it
    FOREIGN = "foreign"  # another workflow owns the row, or the row is not of the bet that the input names

    @property
    def is_open(self) -> bool:
        """Return whether it is not known yet if the casino made the movement."""
        return self in (Progress.UNKNOWN, Progress.AWAITED)


class Step(Message):
    """Result of an activity: the state of the movement, the reason for it, and the row of the bet or cashback
    afterwards.

    ``wait`` is how long the row holds the next send back; None if it does not. ``settled`` says that the casino has
    made the win with the stake: nothing is left to be decided or paid.
    """

    progress: Progress
    detail: Annotated[str, AfterValidator(short)] = ""
    record: Annotated[Record | None, Field(union_mode="left_to_right")] = None
    wait: timedelta | None = None
    settled: bool = False


class TakeStake(Message):
    """Open the bet and debit its stake; ``refund_proof`` is of the Refund that is filed."""

    pay_in: PayIn
    owner: str
    refund_filed: bool = False
    refund_proof: Proof | None = None


class FindStake(Message):
    """Look the debit up at the casino. After the second look its absence is certain."""

    pay_in: PayIn
    bet_id: int
    owner: str
    second_look: bool
    refund_filed: bool
    refund_proof: Proof | None = None


class ClawBack(Message):
    """Debit a win that was paid out. ``not_after`` is the last moment of this window."""

    reverse: Reverse
    owner: str
    not_after: datetime
    second_look: bool = False


class Pay(Message):
    """Credit what is owed to the player. ``reverses`` records it with the bet's reversal instead of the bet."""

    bet_id: int
    owner: str
    casino_id: int
    partner_user_id: str
    transaction_type: TransactionType
    amount: Money
    attempt_timeout: timedelta
    sends: int
    retry: Retry
    # How long an Accept may take; None if the casino's answer to make is final.
    accept_within: timedelta | None = None
    reverses: bool = False
    # The provider's message that asks for it, and when the bet received it; None if a deadline decided.
    message: str | None = None
    filed_at: datetime | None = None
    # The tax of winnings, recorded with them; None if the casino asks for none, or the row has it already.
    tax: Money | None = None
    # ``bet_id`` is a cashback's, and this its issue.
    cashback: bool = False
    # What the bet wins beside a win, recorded with it; None if it wins none, or the row has it already.
    jackpot: Jackpot | None = None
    # Of the provider's message; None if an operator or the service has sent it.
    proof: Proof | None = None
    # Beyond which a win waits for two operators.
    limits: WinLimits | None = None


class FindCredit(Message):
    """Look up a parked credit that an operator reported as paid by hand.

    After the second look its absence at the casino is certain, and the credit counts as paid.
    """

    pay: Pay
    second_look: bool


class MarkStake(Message):
    """End a parked stake as two operators decided: the casino has taken it, or has not and will not."""

    pay_in: PayIn
    bet_id: int
    owner: str
    taken: bool
    refund_filed: bool
    refund_proof: Proof | None = None


class MarkClawBack(Message):
    """End a parked claw-back as two operators decided."""

    reverse: Reverse
    owner: str
    taken: bool


class OpenCashback(Message):
    """Take a cashback on, or over from a workflow that is lost or has completed before the cancel."""

    cashback_id: int
    owner: str
    resumed: Resumed | None


class CancelCashback(Message):
    """Debit a cashback that was issued. ``not_after`` is the last moment of this debit."""

    order: CashbackOrder
    owner: str
    not_after: datetime
    second_look: bool = False


class MarkCancel(Message):
    """End the parked cancel of a cashback as two operators decided."""

    order: CashbackOrder
    owner: str
    taken: bool


class Unpark(Message):
    """Allow a parked movement to be sent again."""

    bet_id: int
    owner: str
    transaction_type: TransactionType


class DecideReview(Message):
    """Release or refuse a win, as two operators have decided."""

    bet_id: int
    owner: str
    verdict: ReviewState


class Operation(Message):
    """An operator's action, for the timeline. ``asked_at`` distinguishes two actions with equal texts."""

    bet_id: int
    action: str
    operator: str
    reason: str
    done: bool
    detail: str
    asked_at: datetime
    win: str | None = None
    set_id: str | None = None


class Withdraw(Message):
    """Withdraw the bet, unless the provider has been answered that it stands."""

    bet_id: int
    owner: str


class TakeOver(Message):
    """Take over a bet whose workflow is lost."""

    resumed: Resumed
    owner: str


class OpenReversal(Message):
    """Write a reversal's row before any of its money moves, or take the row over."""

    bet_id: int
    owner: str
    resumed: Resumed | None
    proof: Proof | None = None


class CloseAtCasino(Message):
    """Close the bet at the casino; or, for a reversal, open it again."""

    bet_id: int
    casino_id: int
    attempt_timeout: timedelta
    closed: bool = True


# The incident's kind if an operator marked a payment as paid by hand, and the casino has made it as well.
PAID_TWICE = "paid_twice"


class Incident(Message):
    """Two sides disagree about one bet or cashback, and an operator should know."""

    bet_id: int | None
    kind: str
    ours: dict[str, str]
    theirs: dict[str, str]
