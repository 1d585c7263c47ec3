"""A debit, as a workflow describes it to the runner of movements."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.marks import Marks
    from betcore.domain.activity_inputs import Step
    from betcore.domain.ids import TransactionType
    from betcore.domain.money import Money

# The class of its activities, and what their inputs are.
Cls = TypeVar("Cls")
Send = TypeVar("Send")
Find = TypeVar("Find")
Mark = TypeVar("Mark")


@dataclass(frozen=True, kw_only=True, slots=True)
class Debit(Generic[Cls, Send, Find, Mark]):
    """What is debited, by which activities, and how their inputs are made."""

    transaction_type: TransactionType
    amount: Money
    # The last moment at which the casino may receive a message for it.
    not_after: datetime
    summary: str
    # Send it in the fast lane, and in the slow one.
    attempt: Callable[[Cls, Send], Awaitable[Step]]
    pursue: Callable[[Cls, Send], Awaitable[Step]]
    send_input: Callable[[], Send]
    # Look for it at the casino; the argument says whether this is the second look, after which absence is certain.
    find: Callable[[Cls, Find], Awaitable[Step]]
    find_input: Callable[[bool], Find]
    # End it as operators have marked it; the argument says whether the casino has taken it.
    mark: Callable[[Marks, Mark], Awaitable[Step]]
    mark_input: Callable[[bool], Mark]
