"""What operators may do to an open bet or reversal, and when a second one has to ask for the same."""

from typing import NamedTuple

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from betcore.messages import Action, BetPolicy, Operate
    from betcore.money import Money

REFUSED = "operation_refused"


class _Proposal(NamedTuple):
    operator: str
    amount: Money
    state: str


class Operators:
    """The rule of two: money above the casino's limit moves on the word of two operators who see the same."""

    def __init__(self, policy: BetPolicy) -> None:
        self._policy = policy
        self._proposals: dict[Action, _Proposal] = {}

    def check(self, order: Operate, amount: Money | None, state: str, why_not: str | None) -> None:
        """Raises ApplicationError(operation_refused) where the action cannot be taken; nothing has changed then."""
        if not order.operator.strip() or not order.reason.strip():
            raise _refused("an operator and a reason are needed")
        if why_not is not None:
            raise _refused(f"the bet is {state}: {why_not}")
        proposal = self._proposals.get(order.action)
        if proposal is not None and proposal == (order.operator, amount, state):
            raise _refused(f"{order.operator} has asked for this already: another operator has to ask for the same")

    def agreed(self, order: Operate, amount: Money | None, state: str) -> bool:
        """Whether the action goes ahead. If not, it is proposed: an operator has to ask for the same, while amount and
        state are the same, who is another one."""
        if amount is None or not self._policy.needs_approval(amount):
            return True
        proposal = self._proposals.pop(order.action, None)
        if proposal is not None and proposal[1:] == (amount, state) and proposal.operator != order.operator:
            return True
        self._proposals[order.action] = _Proposal(order.operator, amount, state)
        return False


def _refused(message: str) -> ApplicationError:
    return ApplicationError(message, type=REFUSED)
