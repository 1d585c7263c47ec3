"""A bet that is reset to before what a release has led: it is carried out anew, and its money moves once."""

import asyncio

import pytest
from temporalio.client import Client

from betcore.domain.bet import BetState
from betcore.runtime.version import VERSION
from betcore.temporal import resets
from betcore.temporal.resets import ResetPoint
from tests.in_process_casino import open_casino
from tests.partner import eventually
from tests.workflows.bets import start, working

CREDIT_FAILS = {"kind": "error", "path": "/payments/make", "transaction_type": 1}


@pytest.mark.edge_case(81)
@pytest.mark.parametrize("begun", [False, True], ids=["filed", "being paid"])
async def test_a_reset_bet_keeps_what_was_filed_and_pays_it_once(
    temporal: Client, database_url: str, begun: bool
) -> None:
    points: list[ResetPoint] = []

    async def listed() -> bool:
        # Workers without a version name their release too.
        points[:] = [one async for one in resets.led_by(temporal, VERSION, 10) if one.workflow_id == handle.id]
        return bool(points)

    async def sent() -> bool:
        return (await casino.attempts()).get(1, 0) > 1

    async with open_casino(database_url, casino="{retry: {first: 0.1, cap: 0.2}}") as casino:
        bet = await casino.pay_in()
        async with working(temporal, casino):
            record, handle = await start(temporal, bet)
            await casino.faults(CREDIT_FAILS)
            if begun:
                await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
                await eventually(sent)
        if not begun:
            await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        await eventually(listed)
        await resets.reset(temporal, points[0], "ann", "a test")
        await casino.faults()
        anew = temporal.get_workflow_handle(handle.id, result_type=BetState)
        async with working(temporal, casino), asyncio.timeout(30):
            assert await anew.result() is BetState.SETTLED
        assert (await anew.describe()).run_id != points[0].run_id
        assert (await casino.row(bet)).owner == record.owner
        assert await casino.journal() == [(-1, "10.00"), (1, "25.00")]
