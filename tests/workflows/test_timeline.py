"""The timeline of a bet that needs attention, in the Temporal UI."""

from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client

from betcore.domain.bet import BetState
from tests.in_process_casino import open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, start, working


async def _headline(handle: Handle) -> str:
    shown = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    headline: str = shown.current_details.splitlines()[0]
    return headline


async def test_what_is_owed_says_since_when(database_url: str, temporal: Client) -> None:
    profile = "retry: {first: 0.1, cap: 0.2}"
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        record, handle = await start(temporal, bet)
        assert record.state is BetState.ACCEPTANCE
        assert " since " not in await _headline(handle)
        await casino.faults({"kind": "error", "path": "/payments/make", "transaction_type": 1})
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))

        async def owed() -> bool:
            return "**owed** since 2" in await _headline(handle)

        await eventually(owed)
        await casino.faults()
        assert await handle.result() is BetState.SETTLED
        assert " since " not in await _headline(handle)
