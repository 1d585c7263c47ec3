"""What the API's messages leave behind when nobody works."""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from api.messages import BetMessages
from betcore.errors import OutcomeUnknown
from betcore.ids import BetKey
from betcore.messages import BetState, PayIn
from tests.floor import open_floor
from tests.workflows.bets import begin, events, working


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
