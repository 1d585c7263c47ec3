"""The claim on a movement: whether a send of it may go out now, and what the casino has confirmed of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic

from betcore.domain.money import Money
from betcore.domain.records import R_co


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The casino's confirmation of a movement, or its refusal."""

    error_code: str | None
    partner_transaction_id: str | None
    balance: Money | None


@dataclass(frozen=True, slots=True)
class ReadAccept(Confirmation):
    """The Accept in a movement's row, and how many sends were counted when it was read.

    No send is counted while it stands there, and of the refusals of one send only the first is stored: so the number
    says which refusal this is.
    """

    sends: int


@dataclass(frozen=True, slots=True)
class Claim(Generic[R_co]):
    """A bet or a cashback, and whether a send of its movement may go out now.

    ``attempts`` are the sends that may have reached the casino; None if the movement needs nothing any more. A send may
    go out now only if it is ``counted`` among them; else after ``waits``. ``accept`` is the casino's Accept. A movement
    that ``was_parked`` is sent again on an operator's decision. ``partner_user_id`` is the player of the money, by the
    player's row, and ``tag_id`` the TagId of the bet's session, 0 if there is none.
    """

    record: R_co
    attempts: int | None
    counted: bool
    accept: ReadAccept | None
    was_parked: bool
    partner_user_id: str
    waits: timedelta = timedelta()
    tag_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDebit(Claim[R_co]):
    """The claim on a debit that has windows: a claw-back, or the cancel of a cashback.

    ``attempts`` are those of its present window, which ends with ``not_after``. ``movement`` is the state of the
    movement before, None if it was never begun.
    """

    not_after: datetime | None
    movement: str | None
