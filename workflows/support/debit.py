"""A debit, as a workflow describes it to what brings it to its end."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from betcore.domain.ids import TransactionType
    from betcore.domain.money import Money


class Debit(NamedTuple):
    """The activities of a debit, and what it is called. ``order``, ``look`` and ``marked`` make what they are asked
    with; ``look`` is told whether it is the second one, ``marked`` whether operators say that the casino has taken it.
    """

    attempt: Any
    pursue: Any
    find: Any
    mark: Any
    kind: TransactionType
    what: str
    amount: Money
    order: Callable[[], Any]
    look: Callable[[bool], Any]
    marked: Callable[[bool], Any]
    not_after: datetime
