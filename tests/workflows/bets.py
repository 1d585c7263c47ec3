"""Play a bet against its workflow, as the API does."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from betcore.domain.bet import BetRecord, BetState, ReversalState
from betcore.domain.ids import BETS_QUEUE, BetKey, bet_workflow_id, reversal_workflow_id
from betcore.domain.messages import PayIn, Refund, Reverse
from betcore.runtime.settings import Settings
from tests.in_process_casino import InProcessCasino
from tests.partner import eventually
from worker import workers
from workflows.bet import Bet
from workflows.reversal import Reversal

Handle = WorkflowHandle[Bet, BetState | None]
ReversalHandle = WorkflowHandle[Reversal, ReversalState | None]


@asynccontextmanager
async def working(client: Client, casino: InProcessCasino) -> AsyncIterator[None]:
    """Run the two workers of a worker process."""
    await _end_earlier_bets(client, casino)
    async with AsyncExitStack() as stack:
        for worker in workers(client, casino.activities(client), Settings(workflow_sandbox=True)):
            await stack.enter_async_context(worker)
        yield


async def _end_earlier_bets(client: Client, casino: InProcessCasino) -> None:
    """Terminate the bets of earlier tests: they would run here, and look for their rows in this test's database."""
    async for found in client.list_workflows("ExecutionStatus = 'Running'"):
        if found.start_time < casino.opened_at:
            with suppress(RPCError):
                await client.get_workflow_handle(found.id).terminate("its test is over")


def opening(bet: PayIn) -> WithStartWorkflowOperation[Bet, BetState | None]:
    """Return the start of a bet's workflow as the API makes it."""
    return WithStartWorkflowOperation(
        Bet.run,
        bet,
        id=bet_workflow_id(BetKey(bet.counterparty_id, bet.provider_bet_id)),
        task_queue=BETS_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
    )


async def start(client: Client, bet: PayIn) -> tuple[BetRecord, Handle]:
    """Send a PayIn or PayInOut, as often as needed; return the row that answers it, and the bet's handle."""
    update, attempts = "pay_in_out" if bet.win else "pay_in", 3
    while True:
        operation, attempts = opening(bet), attempts - 1
        try:
            record = await client.execute_update_with_start_workflow(
                update, id=update, start_workflow_operation=operation, result_type=BetRecord
            )
        except RPCError as error:
            # Temporal drops an update with its workflow task, which fails if a signal arrives as it is completed. The
            # API answers 99 then, and the provider repeats the call.
            if error.status is not RPCStatusCode.FAILED_PRECONDITION or not attempts:
                raise
        else:
            return record, await operation.workflow_handle()


async def reverse(client: Client, order: Reverse, call: Refund) -> tuple[BetRecord, ReversalHandle]:
    """Send a Refund of a settled bet; return the rows that answer it, and the reversal's handle."""
    operation = WithStartWorkflowOperation(
        Reversal.run,
        order,
        id=reversal_workflow_id(BetKey(order.counterparty_id, order.provider_bet_id)),
        task_queue=BETS_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
    )
    record = await client.execute_update_with_start_workflow(
        "refund", call, id="refund", start_workflow_operation=operation, result_type=BetRecord
    )
    return record, await operation.workflow_handle()


async def begin(client: Client, bet: PayIn) -> Handle:
    """Start a bet without waiting for an answer to its PayIn."""
    workflow_id = bet_workflow_id(BetKey(bet.counterparty_id, bet.provider_bet_id))
    return await client.start_workflow(Bet.run, bet, id=workflow_id, task_queue=BETS_QUEUE)


async def update(handle: Handle, name: str, call: object) -> BetRecord:
    """Send a PayOut or Refund as the API does; return the row that answers it."""
    record: BetRecord = await handle.execute_update(name, call, id=name, result_type=BetRecord)
    return record


async def events(handle: Handle) -> list[int]:
    """Return the types of the events of a bet's history."""
    return [event.event_type for event in (await handle.fetch_history()).events]


async def sweep(casino: InProcessCasino, client: Client) -> int:
    """Run the sweep's first activity once; return how many workflows it has started."""
    started: int = await ActivityEnvironment().run(casino.activities(client).recovery.resume_lost)
    return started


async def resumed(casino: InProcessCasino, client: Client) -> None:
    """Sweep until a workflow is resumed: Temporal's list may show for a moment one that has just ended."""

    async def something() -> bool:
        return await sweep(casino, client) == 1

    await eventually(something)
