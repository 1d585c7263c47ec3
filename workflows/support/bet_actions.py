"""What operators may do to a bet beside what they may do to any movement: settle it, or void it."""

from temporalio import workflow

from workflows.support.completion import Completion
from workflows.support.four_eyes import Concern, FourEyes
from workflows.support.inbox import Inbox
from workflows.support.movements import MovementRunner
from workflows.support.operator_actions import OperatorActions
from workflows.support.status import StatusReporter

with workflow.unsafe.imports_passed_through():
    from betcore.domain import answers
    from betcore.domain.bet import BetState
    from betcore.domain.ids import TransactionType
    from betcore.domain.messages import Action, Operate, PayIn, PayOut, Refund
    from betcore.domain.money import Money


class BetActions(OperatorActions):
    """The actions on one bet."""

    def __init__(
        self,
        pay_in: PayIn,
        inbox: Inbox,
        four_eyes: FourEyes,
        status: StatusReporter,
        movements: MovementRunner,
        completion: Completion,
    ) -> None:
        super().__init__(four_eyes, status, movements, completion)
        self._pay_in = pay_in
        self._inbox = inbox

    def concern(self, order: Operate) -> Concern:
        """Return what an action would move."""
        stake, win = self._pay_in.stake, self._pay_in.win
        if order.action is Action.SETTLE:
            return Concern(TransactionType.PAY_OUT, order.win, stake)
        return Concern(TransactionType.BET_RETURN, stake, win) if order.action is Action.VOID else Concern()

    def why_not(self, order: Operate) -> str | None:
        """Return why an action cannot be taken now; None if it can."""
        record, resolution = self._status.known_bet, self._inbox.first
        if order.action not in (Action.SETTLE, Action.VOID) or record is None or self._parked.mark is not None:
            return super().why_not(order)
        if order.action is Action.VOID and self._parked.debit is not None and not isinstance(resolution, PayOut):
            # A Refund that was filed waits for the stake as well.
            return None
        if record.is_in_review:
            return "its win is in review: release or refuse it"
        if record.state.is_terminal or record.withdrawn_at is not None or resolution is not None:
            return "its outcome is decided"
        if order.action is Action.VOID:
            return None if record.state in (BetState.ACCEPTING, BetState.ACCEPTANCE) else "its outcome is decided"
        if record.state is not BetState.ACCEPTANCE or record.one_step:
            return "it does not wait for a PayOut"
        if order.win is None or answers.contradicts(record, self._settlement(order.win)):
            return "a win in the bet's currency is needed"
        if answers.is_refused(record, self._settlement(order.win)):
            return "operators have refused to pay this win"
        return None

    def take(self, order: Operate) -> None:
        """Take an action that is agreed upon."""
        if order.action is Action.SETTLE and order.win is not None:
            self._inbox.file(self._settlement(order.win))
        elif order.action is Action.VOID:
            self._inbox.file(Refund(player_id=self._pay_in.player_id, answer_by=workflow.now()))
            if self._parked.void():
                return
        if order.action is not Action.SETTLE:
            # If the stake is not known yet, a Refund that is filed changes what absence means.
            self._movements.wake()

    def _settlement(self, win: Money) -> PayOut:
        bet = self._pay_in
        return PayOut(player_id=bet.player_id, round_id=bet.round_id, win=win, answer_by=workflow.now())
