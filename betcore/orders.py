"""What a bet's workflow asks of its activities, and what they report."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator

from betcore.casino_values import short
from betcore.ids import TransactionType
from betcore.messages import BetRecord, Message, PayIn, Resumed, Retry, Reverse
from betcore.money import Money


class Progress(StrEnum):
    """How a movement stands after an activity has worked on it."""

    DONE = "done"
    REFUSED = "refused"  # a debit that did not and will not happen
    UNKNOWN = "unknown"  # it may have happened; only a credit may simply be sent again
    AWAITED = "awaited"  # the casino has taken it and will confirm or refuse it with Accept
    PARKED = "parked"  # a person must decide
    ABSENT = "absent"  # a claw-back that is certainly not at the casino, and may be sent in another window
    FOREIGN = "foreign"  # the row belongs to another life of the bet, or the bet is not of the rows that it names

    @property
    def is_open(self) -> bool:
        """Whether nobody knows yet if the movement was made."""
        return self in (Progress.UNKNOWN, Progress.AWAITED)


class Step(Message):
    """What an activity reports: how the movement stands, why, and the bet's row after it.

    ``wait`` is how long the row keeps the next send back; None if it does not.
    """

    progress: Progress
    detail: Annotated[str, AfterValidator(short)] = ""
    record: BetRecord | None = None
    wait: timedelta | None = None


class TakeStake(Message):
    """Open the bet and debit its stake. ``owner`` is the life of the bet that asks, here and below."""

    pay_in: PayIn
    owner: str
    refund_filed: bool = False


class FindStake(Message):
    """Ask the casino whether it has the debit. After the second look absence is certain."""

    pay_in: PayIn
    bet_id: int
    owner: str
    second_look: bool
    refund_filed: bool


class ClawBack(Message):
    """Take a win back. ``not_after`` is the last moment of this window."""

    reverse: Reverse
    owner: str
    not_after: datetime
    second_look: bool = False


class Pay(Message):
    """Credit what is owed to the player. ``reverses`` books it with the bet's reversal, and not with the bet."""

    bet_id: int
    owner: str
    casino_id: int
    partner_user_id: str
    transaction_type: TransactionType
    amount: Money
    attempt_timeout: timedelta
    sends: int
    retry: Retry
    # How long an Accept may take; None where the casino's answer to make is final.
    accept_within: timedelta | None = None
    reverses: bool = False
    # The provider's message that asks for it, and when the bet got it; None where time has decided.
    message: str | None = None
    filed_at: datetime | None = None


class FindCredit(Message):
    """Ask the casino whether it has a parked credit that somebody says was paid by hand. After the second look absence
    is certain, and the credit counts as paid."""

    pay: Pay
    second_look: bool


class MarkStake(Message):
    """End a parked stake on the word of two operators: the casino has taken it, or has not and will not."""

    pay_in: PayIn
    bet_id: int
    owner: str
    taken: bool
    refund_filed: bool


class MarkClawBack(Message):
    """The same for the claw-back of a reversal."""

    reverse: Reverse
    owner: str
    taken: bool


class Unpark(Message):
    """Let a parked movement be sent again."""

    bet_id: int
    owner: str
    transaction_type: TransactionType


class Operation(Message):
    """What an operator has asked for, for the timeline. ``asked_at`` tells it from another one in the same words."""

    bet_id: int
    action: str
    operator: str
    reason: str
    done: bool
    detail: str
    asked_at: datetime
    win: str | None = None


class Withdraw(Message):
    """Take the bet back, provided that nobody was told that it stands."""

    bet_id: int
    owner: str


class TakeOver(Message):
    """Take over a bet whose workflow is gone."""

    resumed: Resumed
    owner: str


class OpenReversal(Message):
    """Write the row of a reversal before any of its money moves, or take it over."""

    bet_id: int
    owner: str
    resumed: Resumed | None


class CloseAtCasino(Message):
    """Tell the casino that the bet is over; or, for a reversal, that it is open again."""

    bet_id: int
    casino_id: int
    attempt_timeout: timedelta
    closed: bool = True


# The kind of the incident of a payment that was marked as paid by hand, and that the casino has made as well.
PAID_TWICE = "paid_twice"


class Incident(Message):
    """Two sides say different things of one bet; a person should know."""

    bet_id: int | None
    kind: str
    ours: dict[str, str]
    theirs: dict[str, str]
