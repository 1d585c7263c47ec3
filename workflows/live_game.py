"""The workflow of one live game: it takes the reports of its provider one by one, and closes what time closes.

Whether a report is right is decided over the rows, in the transaction that writes them. So a workflow that is lost has
lost nothing: the next one reads the round that runs, and goes on.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from workflows.round_refunds import RoundRefunds

with workflow.unsafe.imports_passed_through():
    from activities.live_rounds import LiveRoundKeeper
    from betcore.domain.errors import Code
    from betcore.domain.ids import round_refunds_workflow_id
    from betcore.domain.live_messages import (
        CancelRound,
        LiveGameOrder,
        PassTime,
        RecordCancel,
        RecordReport,
        RefundRound,
        ReportRound,
        RoundAnswer,
    )
    from betcore.domain.live_rounds import STAKES_APPEAR_FOR, LiveRound
    from betcore.temporal.visibility import live_game_details

In = TypeVar("In")
# A new run begins after this many rounds, or messages if most of them are repeats: Temporal takes 2,000 in one run.
_ROUNDS, _MESSAGES = 100, 1000
_AT_THE_DATABASE, _GIVEN_UP_AFTER = timedelta(seconds=5), timedelta(minutes=1)


@dataclass(eq=False)
class _Filed:
    """A message that waits for its turn, and then for nothing."""

    order: ReportRound | CancelRound
    answer: RoundAnswer | None = None


@workflow.defn(name="LiveGame")
class LiveGame:
    """The rounds of one live game, one after the other."""

    @workflow.init
    def __init__(self, order: LiveGameOrder) -> None:
        self._order = order
        self._filed: list[_Filed] = []
        # Of the rows; not known at first, and after a change that may or may not have been made.
        self._running: LiveRound | None = None
        self._knows_running = False
        self._rounds = self._messages = 0

    @workflow.run
    async def run(self, order: LiveGameOrder) -> None:
        """Carry out messages in the order of their arrival, and let time pass between them. It does not return."""
        while True:
            if await self._is_filed_in_time():
                await self._carry_out(self._filed.pop(0))
            elif self._is_next_run_due:
                await self._go_on_in_a_new_run()
            else:
                await self._pass_time()

    @workflow.update(name="report", description="A round's provider says what it has come to.")
    async def report(self, order: ReportRound) -> RoundAnswer:
        """File the report, and answer when its round's row does."""
        return await self._file(order)

    @workflow.update(name="cancel_round", description="An operator cancels a round, once a second one agrees.")
    async def cancel_round(self, order: CancelRound) -> RoundAnswer:
        """File the order, and answer when its round's row does."""
        return await self._file(order)

    @report.validator
    def _check_report(self, order: ReportRound) -> None:
        self._check(order)

    @cancel_round.validator
    def _check_cancel_round(self, order: CancelRound) -> None:
        self._check(order)

    def _check(self, order: ReportRound | CancelRound) -> None:
        if order.game_type != self._order.game_type:
            raise ApplicationError("it is of another game", type=Code.DIFFERENT_DATA)

    async def _file(self, order: ReportRound | CancelRound) -> RoundAnswer:
        filed = _Filed(order)
        self._filed.append(filed)
        await workflow.wait_condition(lambda: filed.answer is not None)
        if filed.answer is None:
            raise ApplicationError("no answer", type=Code.OUTCOME_UNKNOWN)
        return filed.answer

    async def _is_filed_in_time(self) -> bool:
        """Wait for a message, until time changes the running round or a new run is due; return whether one is filed."""
        if not self._knows_running:
            return bool(self._filed)
        moment = self._running.next_moment if self._running else None
        left = None if moment is None else moment - workflow.now()
        if left is None or left > timedelta():
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: bool(self._filed or self._is_next_run_due),
                    timeout=left,
                    timeout_summary="until betting closes, or results are late",
                )
        return bool(self._filed)

    async def _carry_out(self, filed: _Filed) -> None:
        order, now = filed.order, workflow.now()
        if isinstance(order, ReportRound):
            answer = await self._at_database(
                LiveRoundKeeper.record_report, RecordReport(order=order, now=now), f"record {order.report.state}"
            )
        else:
            answer = await self._at_database(
                LiveRoundKeeper.record_cancel, RecordCancel(order=order, now=now), "cancel the round"
            )
        self._messages += 1
        self._take(answer)
        if answer is not None and answer.refunds and answer.round is not None:
            await self._start_refunds(answer.round)
        filed.answer = answer or RoundAnswer(refusal=Code.OUTCOME_UNKNOWN)

    async def _pass_time(self) -> None:
        order = PassTime(game_type=self._order.game_type, now=workflow.now())
        self._take(await self._at_database(LiveRoundKeeper.pass_time, order, "what time has changed"))

    def _take(self, answer: RoundAnswer | None) -> None:
        self._knows_running = answer is not None
        if answer is None:
            return
        self._running = answer.running
        if answer.changed and answer.round is not None and answer.round.state.is_terminal:
            self._rounds += 1
        workflow.set_current_details(live_game_details(self._running))

    @staticmethod
    async def _at_database(
        method: Callable[[LiveRoundKeeper, In], Awaitable[RoundAnswer]], order: In, summary: str
    ) -> RoundAnswer | None:
        """Run a local activity, one at a time: the order of changes is that of their messages.

        Return None if the database does not take it within a minute. Its sender repeats it then, and one that is never
        taken does not keep all behind it waiting.
        """
        try:
            return await workflow.execute_local_activity_method(
                method,
                order,
                start_to_close_timeout=_AT_THE_DATABASE,
                schedule_to_close_timeout=_GIVEN_UP_AFTER,
                retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=10)),
                summary=summary,
            )
        except FailureError as error:
            workflow.logger.warning("not recorded: %s", error.cause or error)
            return None

    @staticmethod
    async def _start_refunds(cancelled: LiveRound) -> None:
        """Start the refunds of a cancelled round, which outlive this run. If they are lost, the sweep starts them."""
        order = RefundRound(
            game_type=cancelled.game_type,
            round_id=cancelled.round_id,
            appear_until=workflow.now() + STAKES_APPEAR_FOR,
        )
        with suppress(WorkflowAlreadyStartedError):
            await workflow.start_child_workflow(
                RoundRefunds.run,
                order,
                id=round_refunds_workflow_id(cancelled.game_type, cancelled.round_id),
                parent_close_policy=ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            )

    @property
    def _is_next_run_due(self) -> bool:
        enough = self._rounds >= _ROUNDS or self._messages >= _MESSAGES
        return enough or workflow.info().is_continue_as_new_suggested()

    async def _go_on_in_a_new_run(self) -> None:
        """Begin a new run, unless a message comes before all answers are given."""
        await workflow.wait_condition(lambda: bool(self._filed) or workflow.all_handlers_finished())
        if not self._filed:
            workflow.continue_as_new(self._order)
