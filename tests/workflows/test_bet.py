"""The life of a bet, with the real activities, a real casino and a real Temporal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from betcore.ids import BETS_QUEUE, BetKey, bet_workflow_id
from betcore.messages import BetRecord, BetState, PayIn
from tests.floor import Floor, open_floor
from worker import workers
from workflows.bet import Bet


@asynccontextmanager
async def working(client: Client, floor: Floor) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for worker in workers(client, floor.wallet, floor.rows, sandbox=True):
            await stack.enter_async_context(worker)
        yield


async def start(client: Client, bet: PayIn) -> tuple[BetRecord, WorkflowHandle[Bet, BetState | None]]:
    operation = WithStartWorkflowOperation(
        Bet.run,
        bet,
        id=bet_workflow_id(BetKey(bet.counterparty_id, bet.provider_bet_id)),
        task_queue=BETS_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
    )
    record = await client.execute_update_with_start_workflow(
        "pay_in", id="pay_in", start_workflow_operation=operation, result_type=BetRecord
    )
    return record, await operation.workflow_handle()


async def test_happy(database_url: str, temporal: Client) -> None:
    async with open_floor(database_url) as floor, working(temporal, floor):
        bet = await floor.pay_in()
        record, handle = await start(temporal, bet)
        assert record.state is BetState.ACCEPTANCE
        settled = await handle.execute_update("pay_out", floor.pay_out(bet, "25.00"), id="pay_out", result_type=BetRecord)
        assert settled.state is BetState.SETTLED
        assert await handle.result() is BetState.SETTLED
        assert await floor.journal() == [(-1, "10.00"), (1, "25.00")]
        history = await handle.fetch_history()
        for e in history.events:
            print(e.event_id, e.event_type)
        assert len(history.events) <= 18
