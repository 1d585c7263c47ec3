"""PayInOut: bets of one step, with the real activities, a real casino and a real Temporal."""

import asyncio

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from betcore.domain.bet import BetState, ReversalState
from betcore.domain.errors import Code
from betcore.domain.ids import BetKey, reversal_workflow_id
from tests.in_process_casino import open_casino
from tests.partner import eventually
from tests.workflows.bets import begin, events, start, update, working
from workflows.reversal import Reversal

MAKE = "/payments/make"
BOTH = [(-1, "10.00"), (1, "25.00")]


async def test_a_bet_of_one_step_costs_one_workflow_task(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in_out()
        record, handle = await start(temporal, bet)
        assert (record.state, record.win) == (BetState.SETTLED, bet.win)
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == BOTH
        types = await events(handle)
        assert types.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == 1
        assert EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED not in types
        assert len(types) <= 11
        assert [call["path"] for call in await casino.casino_calls()] == [MAKE] * 2


async def test_no_money_for_the_stake_though_the_win_would_cover_it(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        record, _ = await start(temporal, await casino.pay_in_out("1000.01", "5000.00"))
        assert (record.state, record.refusal) == (BetState.REFUSED, Code.NO_MONEY)
        assert await casino.journal() == []


async def test_a_pay_in_out_is_over_when_it_is_known_though_unanswered(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    # The rule that takes back a two-step bet whose PayIn was not answered does not apply to this one.
    async with open_casino(database_url, provider="unconfirmed_within: 1") as casino, working(skipping.client, casino):
        handle = await begin(skipping.client, bet := await casino.pay_in_out())
        assert await handle.result() is BetState.SETTLED
        row = await casino.row(bet)
        assert (row.told_at, row.withdrawn_at) == (None, None)
        assert await casino.calls.mark_told(row.bet_id, "r")
        assert await casino.journal() == BOTH


async def test_a_refund_before_the_win_is_sent_returns_the_stake(database_url: str, temporal: Client) -> None:
    # The debit is in the slow lane, in which messages reach the bet.
    async with open_casino(database_url, casino="retry: {first: 0.1}") as casino, working(temporal, casino):
        await casino.faults({"kind": "error", "path": MAKE, "times": 2}, {"kind": "hold", "path": MAKE, "times": 1})
        bet = await casino.pay_in_out()
        handle = await begin(temporal, bet)
        await casino.held()
        refunding = asyncio.create_task(update(handle, "refund", casino.refund(bet)))
        await eventually(lambda: _was_filed(handle))
        await casino.release()
        assert (await refunding).state is BetState.REFUNDED
        assert await handle.result() is BetState.REFUNDED
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]
        assert not await casino.calls.mark_told((await casino.row(bet)).bet_id, "r")


async def test_a_refund_after_the_win_was_sent_is_a_reversal_that_follows_it(
    database_url: str, temporal: Client
) -> None:
    # The API does not wait for the Refund any more: the bet itself starts the reversal.
    async with open_casino(database_url, casino="retry: {first: 0.1}") as casino, working(temporal, casino):
        lost = {"path": MAKE, "transaction_type": 1}
        await casino.faults({"kind": "lost", "times": 2, **lost}, {"kind": "hold", "times": 1, **lost})
        bet = await casino.pay_in_out()
        handle = await begin(temporal, bet)
        await casino.held()
        await handle.signal("refund", casino.refund(bet))
        assert await casino.journal() == BOTH
        await casino.release()
        assert await handle.result() is BetState.SETTLED
        key = BetKey(bet.counterparty_id, bet.provider_bet_id)
        reversal = temporal.get_workflow_handle_for(Reversal.run, reversal_workflow_id(key))
        assert await reversal.result() is ReversalState.REVERSED
        assert await casino.journal() == [*BOTH, (-2, "25.00"), (2, "10.00")]
        row = await casino.row(bet)
        assert (row.state, row.reversed_by is not None) == ("settled", True)


async def _was_filed(handle: object) -> bool:
    types = await events(handle)  # type: ignore[arg-type]
    return EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED in types
