"""Maker-checker: an operator's action above the casino's limit needs a second operator who sees the same."""

from datetime import timedelta
from typing import NamedTuple

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from betcore.domain.ids import TransactionType, transaction_id
    from betcore.domain.messages import Action, HandedOn, Operate, Proposal
    from betcore.domain.money import Money
    from betcore.domain.policy import MovementPolicy

REFUSED = "operation_refused"
# A second operator who comes later sees another state: the first one has to look again too.
PROPOSED_FOR = timedelta(hours=1)
# In a bet of an earlier release the win alone is weighed, names are compared as written, and no proposal expires.
_WEIGHED_ANEW = "operators-larger-amount"


class Concern(NamedTuple):
    """What an action is about: a movement, its amount, and what else is at stake. ``by_two`` whatever the amount."""

    transaction_type: TransactionType | None = None
    amount: Money | None = None
    beside: Money | None = None
    by_two: bool = False

    @property
    def weight(self) -> Money | None:
        """Return the larger amount: an operator who settles a large stake with nothing moves the stake."""
        if self.amount is None or self.beside is None or self.amount.currency != self.beside.currency:
            return self.amount or self.beside
        return max(self.amount, self.beside, key=lambda amount: amount.minor)


class Seen(NamedTuple):
    """What an operator agrees to: another movement, amount or state, or another set of wins, is another proposal."""

    movement: str | None
    amount: Money | None
    state: str
    set_id: str | None = None

    @classmethod
    def of(cls, concern: Concern, bet_id: int | None, state: str, set_id: str | None = None) -> "Seen":
        """Return what an operator sees of a bet now, alone or as one of a set."""
        transaction_type = concern.transaction_type
        movement = None if bet_id is None or transaction_type is None else transaction_id(bet_id, transaction_type)
        return cls(movement, concern.amount, state, set_id)


class FourEyes:
    """The proposals of one bet, and whether an action may go ahead."""

    def __init__(self, policy: MovementPolicy, handed_on: HandedOn | None) -> None:
        self._policy = policy
        proposals = handed_on.proposals if handed_on else ()
        self._proposals = {proposal.action: proposal for proposal in proposals}

    def check(self, order: Operate, seen: Seen, what: str, why_not: str | None) -> None:
        """Raise ApplicationError(operation_refused) if the action cannot be taken; nothing has changed then.

        ``what`` is it that has the state which was seen: a bet, or a cashback.
        """
        if not order.operator.strip() or not order.reason.strip():
            raise _refused("an operator and a reason are needed")
        if why_not is not None:
            raise _refused(f"the {what} is {seen.state}: {why_not}")
        proposal = self._proposals.get(order.action)
        if proposal is None or _seen(proposal) != seen or proposal.until <= workflow.now():
            return
        if _person(proposal.operator) == _person(order.operator):
            raise _refused(f"{order.operator} has asked for this already: another operator has to ask for the same")

    def waits(self, action: Action) -> str:
        """Return what the first operator is answered."""
        return f"waits for a second operator until {self._proposals[action].until:%H:%M:%S} UTC"

    def agreed(self, order: Operate, concern: Concern, seen: Seen) -> bool:
        """Return whether the action goes ahead. If not, it is proposed: within the hour another operator has to ask for
        the same, while movement, amount and state are the same."""
        anew = workflow.patched(_WEIGHED_ANEW)
        weight = concern.weight if anew else concern.amount
        if weight is None or not (concern.by_two or self._policy.needs_approval(weight)):
            return True
        proposal = self._proposals.pop(order.action, None)
        if proposal is not None and _seen(proposal) == seen and _by_another(proposal, order, anew):
            return True
        until = workflow.now() + PROPOSED_FOR
        self._proposals[order.action] = Proposal(
            action=order.action, operator=order.operator, until=until, **seen._asdict()
        )
        return False

    def hand_on(self, more: HandedOn) -> HandedOn:
        """Return what the next run needs, with the proposals."""
        return more.model_copy(update={"proposals": tuple(self._proposals.values())})


def _seen(proposal: Proposal) -> Seen:
    return Seen(proposal.movement, proposal.amount, proposal.state, proposal.set_id)


def _by_another(proposal: Proposal, order: Operate, anew: bool) -> bool:
    if not anew:
        return proposal.operator != order.operator
    return _person(proposal.operator) != _person(order.operator) and workflow.now() < proposal.until


def _person(operator: str) -> str:
    """Return a name as it is compared: one operator who writes it in two ways is still one."""
    return operator.strip().casefold()


def _refused(message: str) -> ApplicationError:
    return ApplicationError(message, type=REFUSED)
