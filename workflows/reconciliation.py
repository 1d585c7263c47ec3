"""A run of reconciliation: compare, wait, look again at what differs, and report what was found."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.support.activity_calls import In, Out, with_heartbeat

with workflow.unsafe.imports_passed_through():
    from activities.reconciliation import Reconciler
    from betcore.domain.ids import WALLET_QUEUE
    from betcore.domain.reconciliation import Reconcile, Reconciled

_RETRY = RetryPolicy(maximum_interval=timedelta(minutes=5))


@workflow.defn(name="Reconciliation")
class Reconciliation:
    """The bets of one casino in one window of time, compared with the casino's book."""

    @workflow.run
    async def run(self, order: Reconcile) -> Reconciled:
        """Return how many bets were compared and what was found, once all are compared."""
        number = await self._do(Reconciler.open_reconciliation, order, "begin the run, or find it")
        look = await self._at_length(Reconciler.compare_books, number, "compare the books")
        if look.wanted:
            await workflow.sleep(look.after, summary="until a replica of the casino has caught up")
            await self._at_length(Reconciler.look_again, number, "look again at what differs")
        return await self._do(Reconciler.end_reconciliation, number, "end the run")

    async def _do(self, method: Callable[[Reconciler, In], Awaitable[Out]], order: In, summary: str) -> Out:
        return await workflow.execute_activity_method(
            method,
            order,
            task_queue=WALLET_QUEUE,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=_RETRY,
            summary=summary,
        )

    async def _at_length(self, method: Callable[[Reconciler, int], Awaitable[Out]], number: int, summary: str) -> Out:
        # A retry continues behind the last bet that was compared: an attempt that ends loses nothing.
        return await with_heartbeat(method, number, summary=summary, within=timedelta(hours=6), retry=_RETRY)
