"""A win that is beyond a limit: it waits, before it is sent, until two operators release or refuse it."""

from temporalio import workflow

from workflows.support.activity_calls import ActivityCalls
from workflows.support.continue_as_new import NextRun
from workflows.support.four_eyes import Concern
from workflows.support.parked import Parked
from workflows.support.status import StatusReporter

with workflow.unsafe.imports_passed_through():
    from activities.bet_records import BetRecords
    from betcore.domain.activity_inputs import DecideReview, Pay, Progress, Step
    from betcore.domain.bet import BetRecord
    from betcore.domain.ids import TransactionType
    from betcore.domain.messages import Action, CashbackOrder, PayIn, PayOut, Refund, Reverse
    from betcore.domain.win_review import ReviewState, WinLimits


class WinReview:
    """The review of a bet's win. The row holds what waits; the decision comes by the update ``operate``."""

    def __init__(
        self, owner: str, calls: ActivityCalls, status: StatusReporter, next_run: NextRun, parked: Parked
    ) -> None:
        self._owner = owner
        self._calls = calls
        self._status = status
        self._next_run = next_run
        self._parked = parked

    async def decide(self, pay: Pay) -> Step:
        """Wait until operators release or refuse a win, and record that.

        Return that it may be sent, so that its outcome is unknown, or that it was refused.
        """
        parked = self._parked
        self._status.attention("in_review")
        parked.review = Concern(pay.transaction_type, pay.amount, by_two=True)
        await workflow.wait_condition(lambda: parked.mark is not None or self._next_run.is_due)
        if parked.mark is None:
            await self._next_run.start_if_due()
        verdict = ReviewState.RELEASED if parked.mark is Action.RELEASE else ReviewState.REFUSED
        order = DecideReview(bet_id=self._status.number, owner=self._owner, verdict=verdict)
        record = self._calls.at_database(BetRecords.decide_review, order, f"record that the win is {verdict}")
        self._status.record = await record
        parked.clear()
        self._status.say(f"its win of {pay.amount.currency} {pay.amount} is {verdict}")
        self._status.show("open")
        return Step(progress=Progress.UNKNOWN if verdict is ReviewState.RELEASED else Progress.WIN_REFUSED)


def limits_of(
    transaction_type: TransactionType, asks: PayOut | Refund | PayIn | Reverse | CashbackOrder, bet: BetRecord | None
) -> WinLimits | None:
    """Return the limits of a win: of the call that asks for it and of the bet's session the strictest.

    None for other credits, and for what an operator settles.
    """
    if transaction_type is not TransactionType.PAY_OUT or not isinstance(asks, PayIn | PayOut):
        return None
    of_session = None if bet is None or (isinstance(asks, PayOut) and not asks.is_of_provider) else bet.win_limits
    return of_session if asks.limits is None else asks.limits.with_those(of_session)
