"""When a workflow that moves money completes, and when the calls that wait for it are answered."""

import asyncio
from collections.abc import Awaitable, Callable

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.support.continue_as_new import NextRun
from workflows.support.status import StatusReporter

with workflow.unsafe.imports_passed_through():
    from betcore.domain.bet import BetRecord
    from betcore.domain.errors import Code


class Completion:
    """The workflow completes only when its rows are terminal or another workflow has taken them over.

    Failures on the way are retried indefinitely.
    """

    def __init__(self, status: StatusReporter, next_run: NextRun) -> None:
        self._status = status
        self._next_run = next_run
        # Whether nothing is left to do but to answer.
        self._is_over = False

    async def run_to_completion(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work of a workflow; return when it is done, all audit entries are written and all calls answered."""
        audit = asyncio.create_task(self._status.write_audit_entries())
        working = asyncio.create_task(self._until_answered(work))
        while not working.done():
            try:
                await asyncio.shield(working)
            except asyncio.CancelledError:
                # Money in motion does not stop for a cancellation; a person is shown that one was asked for.
                self._status.say("cancellation asked for and not followed")
                self._status.file_incident("cancelled", {}, {"asked": "cancel"})
        audit.cancel()
        working.result()

    async def _until_answered(self, work: Callable[[], Awaitable[None]]) -> None:
        await work()
        self._is_over = True
        await workflow.wait_condition(lambda: self._status.all_written and workflow.all_handlers_finished())

    async def wait_for_outcome(self, decide: Callable[[BetRecord], Code | None]) -> BetRecord:
        """Return the rows as soon as they decide a call, or when the work ends.

        Raises ApplicationError(outcome_unknown) if the workflow goes on in a new run first, or ends without a row.
        """

        def known() -> bool:
            return self._status.record is not None and decide(self._status.bet) is not Code.OUTCOME_UNKNOWN

        await workflow.wait_condition(lambda: self._is_over or known() or self._next_run.is_near)
        if not (self._is_over or known()):
            self._next_run.check()
        if self._status.record is None:
            raise ApplicationError("the bet ended without a row", type=Code.OUTCOME_UNKNOWN)
        return self._status.bet

    def why_closed(self) -> str | None:
        """Return why operators cannot act on the workflow now; None if they can."""
        if self._is_over or self._status.record is None:
            return "there is nothing to act on"
        return "it goes on in a new run: ask again" if self._next_run.is_near else None
