"""The update ``operate``: operators act on an open bet, reversal or cashback through its workflow."""

from temporalio import workflow

from workflows.support.completion import Completion
from workflows.support.four_eyes import Concern, FourEyes, Seen
from workflows.support.movements import MovementRunner
from workflows.support.parked import MARKS
from workflows.support.status import StatusReporter

with workflow.unsafe.imports_passed_through():
    from betcore.domain.activity_inputs import Operation
    from betcore.domain.messages import Action, Operate, Operated
    from betcore.domain.records import noun


class OperatorActions:
    """The actions that every movement knows: retry, and the marks of what is parked."""

    def __init__(
        self, four_eyes: FourEyes, status: StatusReporter, movements: MovementRunner, completion: Completion
    ) -> None:
        self._four_eyes = four_eyes
        self._status = status
        self._movements = movements
        self._parked = movements.parked
        self._completion = completion

    def check(self, order: Operate) -> None:
        """Raise ApplicationError(operation_refused) if the action cannot be taken; nothing has changed then."""
        why_not, record = self.why_not(order), self._status.record
        if record is not None and order.bet_id not in (None, record.number):
            why_not = f"the action is for {noun(record)} {order.bet_id}, and this is {record.number}"
        self._four_eyes.check(order, self._seen(order), noun(record), why_not)

    def operate(self, order: Operate) -> Operated:
        """Take an action, or propose it if a second operator is needed."""
        concern = self._concern(order)
        done = self._four_eyes.agreed(order, concern, self._seen(order))
        detail = "under way" if done else self._four_eyes.waits(order.action)
        operated = Operated(done=done, state=self._status.state, detail=detail)
        self._status.note_operation(
            Operation(
                bet_id=self._status.number,
                action=order.action,
                operator=order.operator,
                reason=order.reason,
                done=done,
                detail=detail,
                asked_at=workflow.now(),
                win=order.win and f"{order.win.currency} {order.win}",
                set_id=order.set_id,
            )
        )
        if done and order.action in MARKS:
            self._parked.mark = order.action
        elif done:
            self.take(order)
        return operated

    def concern(self, order: Operate) -> Concern:
        """Return what an action beside the marks would move."""
        return Concern()

    def why_not(self, order: Operate) -> str | None:
        """Return why an action cannot be taken now; None if it can."""
        if closed := self._completion.why_closed():
            return closed
        if self._parked.mark is not None or order.action in MARKS:
            return self._parked.why_not(order.action)
        if order.action is Action.RETRY:
            return None if self._movements.is_busy else "nothing is on its way"
        return "only a bet that waits can be settled or voided"

    def take(self, order: Operate) -> None:
        """Take an action beside the marks that is agreed upon."""
        self._movements.wake()

    def _concern(self, order: Operate) -> Concern:
        return self._parked.concern(order.action) or self.concern(order)

    def _seen(self, order: Operate) -> Seen:
        record, concern = self._status.record, self._concern(order)
        return Seen.of(concern, record.number if record else None, self._status.state, order.set_id)
