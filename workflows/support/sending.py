"""How a movement is sent, and a debit also looked for and ended, as workflows describe it to the runner."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.marks import Marks
    from betcore.domain.activity_inputs import Step
    from betcore.domain.ids import TransactionType
    from betcore.domain.money import Money

# The class of a movement's activities, and their inputs.
Cls = TypeVar("Cls")
Send = TypeVar("Send")
Find = TypeVar("Find")
Mark = TypeVar("Mark")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending(Generic[Cls, Send]):
    """How a movement is sent: one activity for each lane, with the same input, which is made anew for each call."""

    transaction_type: TransactionType
    summary: str
    fast: Callable[[Cls, Send], Awaitable[Step]]
    slow: Callable[[Cls, Send], Awaitable[Step]]
    input: Callable[[], Send]
    # What is owed to a player is served before all else.
    owed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Debit(Generic[Cls, Send, Find, Mark]):
    """A debit: how it is sent, looked for and ended by operators."""

    sending: Sending[Cls, Send]
    amount: Money
    # The last moment at which the casino may receive a message for it.
    not_after: datetime
    # How long after that it is looked for; None: as soon as the casino can certainly apply none of its messages any
    # more.
    look_after: timedelta | None = None
    # Look for it at the casino. The argument says whether this is the second look, after which absence is certain.
    find: Callable[[Cls, Find], Awaitable[Step]]
    find_input: Callable[[bool], Find]
    # End it as operators have marked it. The argument says whether the casino has taken it.
    mark: Callable[[Marks, Mark], Awaitable[Step]]
    mark_input: Callable[[bool], Mark]


def taking_back(
    summary: str,
    amount: Money,
    not_after: datetime,
    *,
    fast: Callable[[Cls, Send], Awaitable[Step]],
    slow: Callable[[Cls, Send], Awaitable[Step]],
    find: Callable[[Cls, Send], Awaitable[Step]],
    order: Callable[[bool], Send],
    mark: Callable[[Marks, Mark], Awaitable[Step]],
    mark_order: Callable[[bool], Mark],
    look_after: timedelta | None = None,
) -> Debit[Cls, Send, Send, Mark]:
    """Return the debit of what a player was paid.

    ``order`` is the input of all three activities; its argument says whether this is the second look.
    """
    sending = Sending(
        transaction_type=TransactionType.PAY_OUT_RETURN,
        summary=summary,
        fast=fast,
        slow=slow,
        input=lambda: order(False),
    )
    return Debit(
        sending=sending,
        amount=amount,
        not_after=not_after,
        look_after=look_after,
        find=find,
        find_input=order,
        mark=mark,
        mark_input=mark_order,
    )
