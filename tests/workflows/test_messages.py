"""What the API's messages leave behind when nobody works, or the bet ends before it has heard them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowUpdateInput,
    WorkflowUpdateHandle,
)

from api.messages import BetMessages
from betcore.errors import OutcomeUnknown
from betcore.ids import BetKey
from betcore.messages import BetState, PayIn
from tests.floor import open_floor
from tests.workflows.bets import begin, events, start, update, working


class _OvertakenUpdates(Interceptor):
    """Updates that do not get through; another process's copy of the call ends the bet while they are waited for."""

    def __init__(self, copy: Callable[[], Awaitable[object]]) -> None:
        self.copy = copy

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Stands before the SDK's own client."""
        copy = self.copy

        class Overtaken(OutboundInterceptor):
            async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
                try:
                    await asyncio.Event().wait()
                finally:
                    await copy()
                raise AssertionError("an event that nobody sets")

        return Overtaken(next)


@pytest.mark.row(76)
async def test_pay_out_and_refund_are_kept_while_every_worker_is_down(database_url: str, temporal: Client) -> None:
    messages = BetMessages(temporal)
    async with open_floor(database_url) as floor:

        async def hand_over(bet: PayIn, *, paid: bool) -> None:
            send, call = (
                (messages.pay_out, floor.pay_out(bet, "5.00")) if paid else (messages.refund, floor.refund(bet))
            )
            with pytest.raises(OutcomeUnknown):
                await send(BetKey(bet.counterparty_id, bet.provider_bet_id), None, call, 1.5)  # type: ignore[operator]

        # More than a few: whether a long poll of the server ends just before the deadline differs from call to call.
        bets = [await floor.pay_in(seconds=60) for _ in range(10)]
        handles = [await begin(temporal, bet) for bet in bets]
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(hand_over(bet, paid=number % 2 == 0) for number, bet in enumerate(bets)))
        assert asyncio.get_running_loop().time() - began < 3
        for handle in handles:
            assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED in await events(handle)
        async with working(temporal, floor):
            states = [await handle.result() for handle in handles]
        assert states == [BetState.SETTLED, BetState.REFUNDED] * 5


@pytest.mark.row(5, 7)
@pytest.mark.parametrize("paid", [True, False])
async def test_a_bet_that_ends_before_it_hears_a_call_is_answered_from_its_row(
    database_url: str, temporal: Client, paid: bool
) -> None:
    async with open_floor(database_url) as floor, working(temporal, floor):
        bet = await floor.pay_in()
        _, handle = await start(temporal, bet)
        call = floor.pay_out(bet, "5.00") if paid else floor.refund(bet)
        name = "pay_out" if paid else "refund"
        interceptor = _OvertakenUpdates(lambda: update(handle, name, call))
        messages = BetMessages(Client(**{**temporal.config(), "interceptors": [interceptor]}))
        send = messages.pay_out if paid else messages.refund
        key = BetKey(bet.counterparty_id, bet.provider_bet_id)
        assert await send(key, None, call, 1.0) is None  # type: ignore[operator]
        assert await handle.result() is (BetState.SETTLED if paid else BetState.REFUNDED)
