"""Bets from PayIn to their end, with the real activities, a real casino and a real Temporal."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from betcore.domain.bet import BetState
from betcore.domain.errors import Code
from betcore.domain.ids import BetKey, bet_workflow_id
from tests.in_process_casino import open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, begin, events, start, update, working
from workflows.bet import Bet


async def test_a_happy_bet_costs_two_workflow_tasks_and_eighteen_events(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in("10.00")
        record, handle = await start(temporal, bet)
        assert record.state is BetState.ACCEPTANCE
        settled = await update(handle, "pay_out", casino.pay_out(bet, "25.00"))
        assert settled.state is BetState.SETTLED
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "25.00")]
        types = await events(handle)
        assert len(types) <= 18
        assert types.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == 2
        assert EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED not in types
        assert [call["path"] for call in await casino.casino_calls()] == ["/payments/make"] * 2


async def test_a_loss_is_a_payout_of_nothing(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        settled = await update(handle, "pay_out", casino.pay_out(bet, "0"))
        assert (settled.state, settled.win and settled.win.minor) == (BetState.SETTLED, 0)
        assert await casino.journal() == [(-1, "10.00"), (1, "0.00")]


async def test_a_refund_returns_the_stake(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        refunded = await update(handle, "refund", casino.refund(bet))
        assert refunded.state is BetState.REFUNDED
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]


async def test_no_money_is_a_refusal_that_stays(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in("1000.01")
        record, handle = await start(temporal, bet)
        assert (record.state, record.refusal) == (BetState.REFUSED, Code.NO_MONEY)
        assert await handle.result() is BetState.REFUSED
        assert await casino.journal() == []


async def test_an_answer_lost_after_the_debit_is_asked_for_again(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        await casino.faults({"kind": "lost", "path": "/payments/make", "times": 1})
        record, _ = await start(temporal, await casino.pay_in())
        assert record.state is BetState.ACCEPTANCE
        assert await casino.journal() == [(-1, "10.00")]
        assert await casino.attempts() == {-1: 2}


async def test_a_casino_that_fails_twice_is_pursued_in_the_slow_lane(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino="retry: {first: 0.1}") as casino, working(temporal, casino):
        await casino.faults({"kind": "error", "path": "/payments/make", "times": 2})
        record, handle = await start(temporal, await casino.pay_in())
        assert record.state is BetState.ACCEPTANCE
        assert await casino.journal() == [(-1, "10.00")]
        assert EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED in await events(handle)


async def test_a_refusal_of_what_may_be_a_repeat_is_not_trusted(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    # The first send takes the money and its response is lost; all later ones are refused. Only payments/info has it.
    profile = "{message_lifetime: 3, retry: {first: 0.2, cap: 0.4}}"
    async with open_casino(database_url, casino=profile) as casino, working(skipping.client, casino):
        await casino.faults(
            {"kind": "lost", "path": "/payments/make", "times": 1},
            {"kind": "error_code", "error_code": 103802, "path": "/payments/make"},
        )
        record, _ = await start(skipping.client, await casino.pay_in(seconds=2))
        assert record.state is not BetState.REFUSED
        assert await casino.journal() == [(-1, "10.00")]


async def test_a_debit_that_never_arrived_is_absent_only_after_two_looks(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    profile = "{message_lifetime: 3, retry: {first: 0.2, cap: 0.4}}"
    async with open_casino(database_url, casino=profile) as casino, working(skipping.client, casino):
        await casino.faults({"kind": "drop", "path": "/payments/make"})
        record, handle = await start(skipping.client, await casino.pay_in(seconds=2))
        assert (record.state, record.refusal) == (BetState.REFUSED, Code.CASINO_UNAVAILABLE)
        assert await handle.result() is BetState.REFUSED
        looks = [call["path"] for call in await casino.casino_calls() if call["path"] == "/payments/info"]
        assert len(looks) == 2
        assert await casino.journal() == []


async def test_a_message_gets_its_time_to_take_effect_between_the_two_looks(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    hour = timedelta(hours=1)
    profile = f"{{message_lifetime: 3, effect_within: {hour.total_seconds()}, retry: {{first: 0.2, cap: 0.4}}}}"
    async with open_casino(database_url, casino=profile) as casino, working(skipping.client, casino):
        await casino.faults({"kind": "drop", "path": "/payments/make"})
        record, handle = await start(skipping.client, await casino.pay_in(seconds=2))
        assert record.state is BetState.REFUSED
        not_after = (await casino.sql("SELECT not_after FROM movement"))[0].not_after
        scheduled, completed = await _looks(handle)
        assert len(scheduled) == len(completed) == 2
        # A message that leaves at the last moment may take effect for an hour, and so may one before the first look.
        assert scheduled[0] - not_after >= hour
        assert scheduled[1] - completed[0] >= hour


async def _looks(handle: Handle) -> tuple[list[datetime], list[datetime]]:
    """Return when each look for the debit was scheduled and completed, by the workflow's clock."""
    scheduled, completed = {}, []
    for event in (await handle.fetch_history()).events:
        at = event.event_time.ToDatetime(tzinfo=UTC)
        if event.activity_task_scheduled_event_attributes.activity_type.name == "find_stake":
            scheduled[event.event_id] = at
        elif event.activity_task_completed_event_attributes.scheduled_event_id in scheduled:
            completed.append(at)
    return list(scheduled.values()), completed


async def test_a_stake_without_an_answered_pay_in_goes_back(database_url: str, skipping: WorkflowEnvironment) -> None:
    async with open_casino(database_url) as casino, working(skipping.client, casino):
        bet = await casino.pay_in()
        handle = await begin(skipping.client, bet)
        assert await handle.result() is BetState.REFUNDED
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]
        assert not await casino.calls.mark_told((await casino.row(bet)).bet_id, "r")


async def test_a_bet_is_open_for_thirty_days_and_then_refunded_if_the_profile_says_so(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    days = timedelta(days=30)
    profile = f"{{on_overdue: refund, settle_within: {days.total_seconds()}, unconfirmed_within: 5}}"
    async with open_casino(database_url, provider=profile) as casino, working(skipping.client, casino):
        bet = await casino.pay_in(seconds=4)
        await casino.faults({"kind": "hold_after", "path": "/payments/make", "times": 1})
        handle = await begin(skipping.client, bet)
        await casino.held()
        async with casino.engine.connect() as connection:
            # Sent while the casino's response is still on its way: the row decides, not the order of messages.
            await connection.exec_driver_sql("UPDATE bet SET told_at = now()")
        await casino.release()
        before = datetime.now(UTC)
        assert await handle.result() is BetState.REFUNDED
        assert await skipping.get_current_time(handle) - before > days - timedelta(minutes=1)
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]


async def test_a_refund_during_the_debit_holds(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        await casino.faults({"kind": "hold", "path": "/payments/make", "times": 1})
        bet = await casino.pay_in()
        paying = asyncio.create_task(start(temporal, bet))
        await casino.held()
        handle = temporal.get_workflow_handle_for(
            Bet.run, bet_workflow_id(BetKey(bet.counterparty_id, bet.provider_bet_id))
        )
        await handle.signal("refund", casino.refund(bet))
        await casino.release()
        await paying
        assert await handle.result() is BetState.REFUNDED
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]
        assert not await casino.calls.mark_told((await casino.row(bet)).bet_id, "r")


@pytest.mark.parametrize("first", ["pay_out", "refund"])
async def test_the_first_resolution_wins(database_url: str, temporal: Client, first: str) -> None:
    async with open_casino(database_url) as casino:
        async with working(temporal, casino):
            bet = await casino.pay_in()
            _, handle = await start(temporal, bet)
        # No worker runs: both wait in the history, in this order, and reach the bet in one workflow task.
        calls = [("pay_out", casino.pay_out(bet, "5.00")), ("refund", casino.refund(bet))]
        for name, call in calls if first == "pay_out" else reversed(calls):
            await handle.signal(name, call)
        async with working(temporal, casino):
            assert await handle.result() is (BetState.SETTLED if first == "pay_out" else BetState.REFUNDED)
        assert await casino.journal() == [(-1, "10.00"), (1, "5.00") if first == "pay_out" else (2, "10.00")]
        # A late Refund is refused by its answer; winnings that are not paid are an incident.
        assert len(await casino.incidents()) == (0 if first == "pay_out" else 1)


async def test_a_call_that_is_not_of_this_bet_does_not_take_the_place_of_the_right_one(
    database_url: str, temporal: Client
) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        wrong = casino.pay_out(bet, "500.00").model_copy(update={"round_id": "another"})
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await update(handle, "pay_out", wrong)
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == Code.DIFFERENT_DATA
        await handle.signal("pay_out", wrong)
        settled = await update(handle, "pay_out", casino.pay_out(bet, "5.00"))
        assert settled.win is not None
        assert settled.win.minor == 500
        await handle.result()
        assert [incident.kind for incident in await casino.incidents()] == ["different_data"]


async def test_a_row_of_another_workflow_is_answered_from_and_not_touched(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        await casino.bets.open(bet, "another run", BetState.REFUSED, Code.LIMIT_REACHED)
        record, handle = await start(temporal, bet)
        assert record.refusal is Code.LIMIT_REACHED
        assert await handle.result() is None
        assert await casino.journal() == []


async def test_a_cancellation_stops_no_money(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        await handle.cancel()
        settled = await update(handle, "pay_out", casino.pay_out(bet, "5.00"))
        assert settled.state is BetState.SETTLED
        assert await handle.result() is BetState.SETTLED
        assert [incident.kind for incident in await casino.incidents()] == ["cancelled"]


async def test_a_late_worker_sends_no_stake(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in(seconds=-1)
        record, _ = await start(temporal, bet)
        assert (record.state, record.refusal) == (BetState.REFUSED, Code.CASINO_UNAVAILABLE)
        assert await casino.casino_calls() == []


async def test_a_refund_filed_before_the_first_send_leaves_a_tombstone(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino:
        bet = await casino.pay_in(seconds=60)
        handle = await begin(temporal, bet)
        await handle.signal("refund", casino.refund(bet))
        async with working(temporal, casino):
            assert await handle.result() is BetState.REFUNDED
        assert await casino.casino_calls() == []
        assert await casino.refund_in("pay_in", "refund_proof") == "refund"


async def test_owed_money_is_retried_until_it_is_there(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino="retry: {first: 0.1, cap: 0.2}") as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        await casino.faults({"kind": "error", "path": "/payments/make", "times": 6})
        settled = await update(handle, "pay_out", casino.pay_out(bet, "5.00"))
        assert settled.state is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "5.00")]
        assert await casino.attempts() == {-1: 1, 1: 7}


async def test_a_refused_payout_is_parked_and_a_refused_return_is_not(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino="retry: {first: 0.1, cap: 0.2}") as casino, working(temporal, casino):
        won, lost = await casino.pay_in(), await casino.pay_in()
        (_, winning), (_, losing) = await start(temporal, won), await start(temporal, lost)
        await casino.faults(
            {"kind": "error_code", "error_code": 103805, "path": "/payments/make", "transaction_type": 1},
            {"kind": "error_code", "error_code": 103805, "path": "/payments/make", "transaction_type": 2, "times": 3},
        )
        await winning.signal("pay_out", casino.pay_out(won, "5.00"))
        refunded = await update(losing, "refund", casino.refund(lost))
        assert refunded.state is BetState.REFUNDED
        await eventually(casino.incidents)
        assert [incident.kind for incident in await casino.incidents()] == ["parked"]
        assert (await casino.row(won)).state == "settling"
        await winning.terminate("the test is over")


async def test_an_activity_that_breaks_does_not_end_the_bet(
    database_url: str, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_casino(database_url, casino="retry: {first: 0.1, cap: 0.2}") as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        make, broken = casino.casinos.make, iter(range(4))

        async def breaking(*given: Any) -> Any:
            if next(broken, None) is not None:
                raise RuntimeError("a defect that a deploy mends")
            return await make(*given)

        monkeypatch.setattr(casino.casinos, "make", breaking)
        settled = await update(handle, "pay_out", casino.pay_out(bet, "5.00"))
        assert settled.state is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "5.00")]


async def test_an_activity_that_gives_up_does_not_end_the_bet(
    database_url: str, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The workflow task fails, and is retried until the code is mended: the bet stays open, and still owes the money.
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)

        async def hopeless(*_: Any) -> Any:
            raise ApplicationError("a defect that repeating does not mend", non_retryable=True)

        monkeypatch.setattr(casino.casinos, "make", hopeless)
        await handle.signal("pay_out", casino.pay_out(bet, "5.00"))

        async def task_failed() -> bool:
            return EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED in await events(handle)

        await eventually(task_failed)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        assert (await casino.row(bet)).state == "settling"
