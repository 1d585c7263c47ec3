"""What operators may do to a bet beside what they may do to any movement: settle it, or take it back."""

from temporalio import workflow

from workflows.support.four_eyes import Concern
from workflows.support.inbox import Inbox
from workflows.support.movements import Life

with workflow.unsafe.imports_passed_through():
    from betcore.domain import answers
    from betcore.domain.ids import TransactionType
    from betcore.domain.messages import Action, BetState, Operate, PayIn, PayOut, Refund
    from betcore.domain.money import Money


class BetActions:
    """The actions on one bet."""

    def __init__(self, pay_in: PayIn, life: Life, inbox: Inbox) -> None:
        self._pay_in = pay_in
        self._life = life
        self._inbox = inbox

    def concern(self, order: Operate) -> Concern:
        """Return what an action would move."""
        stake, win = self._pay_in.stake, self._pay_in.win
        if order.action is Action.SETTLE:
            return Concern(TransactionType.PAY_OUT, order.win, stake)
        return Concern(TransactionType.BET_RETURN, stake, win) if order.action is Action.VOID else Concern()

    def why_not(self, order: Operate) -> str | None:
        """Return why an action cannot be taken now; None if it can."""
        record, parked, resolution = self._life.record, self._life.parked, self._inbox.first
        if order.action not in (Action.SETTLE, Action.VOID) or record is None or parked.mark is not None:
            return self._life.why_not(order)
        if order.action is Action.VOID and parked.debit is not None and not isinstance(resolution, PayOut):
            # A Refund that was filed waits for the stake as well.
            return None
        if record.state.is_terminal or record.withdrawn_at is not None or resolution is not None:
            return "its outcome is decided"
        if order.action is Action.VOID:
            return None if record.state in (BetState.ACCEPTING, BetState.ACCEPTANCE) else "its outcome is decided"
        if record.state is not BetState.ACCEPTANCE or record.one_step:
            return "it does not wait for a PayOut"
        if order.win is None or answers.contradicts(record, self._settlement(order.win)):
            return "a win in the bet's currency is needed"
        return None

    def take(self, order: Operate) -> None:
        """Take an action that is agreed upon."""
        if order.action is Action.SETTLE and order.win is not None:
            self._inbox.file(self._settlement(order.win))
        elif order.action is Action.VOID:
            self._inbox.file(Refund(player_id=self._pay_in.player_id, answer_by=workflow.now()))
            if self._life.parked.void():
                return
        if order.action is not Action.SETTLE:
            # Where the stake is not known yet, a Refund that is filed changes what absence means.
            self._life.nudge()

    def _settlement(self, win: Money) -> PayOut:
        bet = self._pay_in
        return PayOut(player_id=bet.player_id, round_id=bet.round_id, win=win, answer_by=workflow.now())
