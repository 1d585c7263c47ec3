"""Reversals, and bets that are resumed, with the real activities, a real casino and a real Temporal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from betcore.db.database import DatabaseError
from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import Pay
from betcore.domain.bet import BetRecord, BetState, ReversalState
from betcore.domain.ids import TransactionType
from betcore.domain.messages import PayIn
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, begin, resumed, reverse, start, sweep, update, working
from workflows.bet import Bet

MAKE = "/payments/make"
BOTH = [(-1, "10.00"), (1, "25.00")]
BACK = [*BOTH, (-2, "25.00"), (2, "10.00")]
QUICK = "{message_lifetime: 3, retry: {first: 0.2, cap: 0.4}}"
CLAW_BACK = {"path": MAKE, "transaction_type": -2}
_numbers = count(1_000_000, 1000)


async def test_a_bet_is_taken_back_win_first(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in_out()
        settled, _ = await start(temporal, bet)
        record, handle = await reverse(temporal, casino.reverse(bet, settled), casino.refund(bet))
        assert record.reversal is not None
        assert (record.state, record.reversal.state) == (BetState.SETTLED, ReversalState.REVERSED)
        assert await handle.result() is ReversalState.REVERSED
        assert await casino.journal() == BACK
        assert (await casino.row(bet)).reversed_by == record.reversal.reversal_id
        # A PayInOut that is answered for the first time now is refused.
        assert not await casino.calls.mark_told(settled.bet_id, "r")


async def test_a_loss_has_nothing_to_take_back(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in_out("10.00", "0")
        settled, _ = await start(temporal, bet)
        await reverse(temporal, casino.reverse(bet, settled), casino.refund(bet))
        assert await casino.journal() == [(-1, "10.00"), (1, "0.00"), (2, "10.00")]


async def test_a_bet_that_is_closed_at_the_casino_is_opened_first(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino="send: {close: true}") as casino, working(temporal, casino):
        bet = await casino.pay_in_out()
        settled, first = await start(temporal, bet)
        # It is closed after its answer is given.
        await first.result()
        _, handle = await reverse(temporal, casino.reverse(bet, settled), casino.refund(bet))
        await handle.result()
        assert await casino.journal() == BACK
        paths = [call["path"].rpartition("/")[2] for call in await casino.casino_calls()]
        assert paths == ["make", "make", "close", "close", "make", "make", "close"]


async def test_a_refused_claw_back_ends_the_reversal(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in_out()
        settled, _ = await start(temporal, bet)
        await casino.faults({"kind": "error_code", "error_code": 103802, "times": 1, **CLAW_BACK})
        record, handle = await reverse(temporal, casino.reverse(bet, settled), casino.refund(bet))
        assert record.reversal is not None
        assert record.reversal.state is ReversalState.REFUSED
        assert await handle.result() is ReversalState.REFUSED
        assert await casino.journal() == BOTH
        assert [incident.kind for incident in await casino.incidents()] == ["reversal_refused"]
        assert (await casino.row(bet)).reversed_by is None


async def test_a_refusal_of_a_claw_back_that_may_be_a_repeat_is_not_trusted(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    # The first send takes the win back and its answer is lost; all later ones are refused.
    async with open_casino(database_url, casino=QUICK) as casino, working(skipping.client, casino):
        bet = await casino.pay_in_out()
        settled, _ = await start(skipping.client, bet)
        await casino.faults(
            {"kind": "lost", "times": 1, **CLAW_BACK}, {"kind": "error_code", "error_code": 103802, **CLAW_BACK}
        )
        record, _ = await reverse(skipping.client, casino.reverse(bet, settled), casino.refund(bet))
        assert record.reversal is not None
        assert record.reversal.state is ReversalState.REVERSED
        assert await casino.journal() == BACK


async def test_a_claw_back_that_is_certainly_absent_is_sent_in_another_window(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(skipping.client, casino):
        bet = await casino.pay_in_out()
        settled, _ = await start(skipping.client, bet)
        order = casino.reverse(bet, settled)
        await casino.faults({"kind": "drop", **CLAW_BACK})
        handle = await skipping.client.start_workflow("Reversal", order, id="reversal", task_queue="bets")

        async def looked_twice() -> bool:
            looks = [call for call in await casino.casino_calls() if call["path"] == "/payments/info"]
            return len(looks) >= 2

        await eventually(looked_twice)
        await casino.faults()
        assert await handle.result() == "reversed"
        assert await casino.journal() == BACK


async def test_no_window_opens_while_an_old_send_may_still_take_effect(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in_out()
        settled, _ = await start(temporal, bet)
        reversals, order = Reversals(casino.database), casino.reverse(bet, settled)
        await reversals.open(order.bet_id, "run", None)
        first = await reversals.begin_debit(order.bet_id, "run", order.not_after)
        later = order.not_after.replace(year=order.not_after.year + 1)
        second = await reversals.begin_debit(order.bet_id, "run", later)
        assert (first.attempts, second.attempts) == (1, 2)
        assert second.not_after == first.not_after
        _, absent = await reversals.absent(order.bet_id, "run", first.not_after, sends=1)
        assert not absent
        _, absent = await reversals.absent(order.bet_id, "run", first.not_after)
        assert absent
        third = await reversals.begin_debit(order.bet_id, "run", later)
        assert (third.attempts, third.not_after) == (1, later)


async def test_no_stake_goes_back_while_the_player_has_the_win(database_url: str, temporal: Client) -> None:
    # The row refuses a second claw-back, whatever a workflow asks for.
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in_out()
        settled, _ = await start(temporal, bet)
        reversals = Reversals(casino.database)
        await reversals.open(settled.bet_id, "run", None)
        assert (await reversals.begin_credit(_return(bet, settled))).attempts is None
        await reversals.begin_debit(settled.bet_id, "run", casino.reverse(bet, settled).not_after)
        assert (await reversals.begin_credit(_return(bet, settled))).attempts is None
        assert set(await casino.attempts()) == {-1, 1, -2}
        async with casino.engine.connect() as connection:
            await connection.exec_driver_sql("UPDATE reversal SET owner = 'another'")
        record = await reversals.open(settled.bet_id, "run", None)
        assert record.reversal is not None
        assert record.reversal.owner == "another"
        assert (await reversals.begin_debit(settled.bet_id, "run", bet.not_after)).attempts is None
        with pytest.raises(DatabaseError, match="stands"):
            async with casino.engine.connect() as connection:
                await connection.exec_driver_sql("UPDATE movement SET not_after = now() WHERE transaction_type = -2")


def _return(bet: PayIn, settled: BetRecord) -> Pay:
    return Pay(
        bet_id=settled.bet_id,
        owner="run",
        casino_id=bet.casino_id,
        partner_user_id=bet.partner_user_id,
        transaction_type=TransactionType.BET_RETURN,
        amount=bet.stake,
        attempt_timeout=bet.policy.attempt_timeout,
        sends=1,
        retry=bet.policy.retry,
        reverses=True,
    )


@asynccontextmanager
async def _numbered_casino(database_url: str, profile: str = "") -> AsyncIterator[InProcessCasino]:
    """Open a casino whose BetIds no other test has: the workflows that resume a bet are named by them."""
    async with open_casino(database_url, casino=profile) as casino:
        async with casino.engine.connect() as connection:
            await connection.exec_driver_sql(f"SELECT setval('bet_number', {next(_numbers)})")
        yield casino


async def _aged(casino: InProcessCasino) -> None:
    """Make the bet old enough for the sweep."""
    async with casino.engine.connect() as connection:
        await connection.exec_driver_sql("ALTER TABLE bet DISABLE TRIGGER guard_bet")
        await connection.exec_driver_sql("UPDATE bet SET opened_at = opened_at - interval '10 seconds'")
        await connection.exec_driver_sql("ALTER TABLE bet ENABLE TRIGGER guard_bet")


async def _gone(client: Client, handle: Handle) -> None:
    await handle.terminate()
    with pytest.raises(WorkflowFailureError):
        await handle.result()


async def test_a_debit_seen_after_the_end_is_returned(database_url: str, temporal: Client) -> None:
    # A frozen worker's debit was believed absent; the bet ended refused, and then the casino's "done" came in.
    async with _numbered_casino(database_url, profile="attempt_timeout: 5") as casino, working(temporal, casino):
        await casino.faults({"kind": "hold_after", "path": MAKE, "times": 1})
        bet = await casino.pay_in()
        handle = await begin(temporal, bet)
        await casino.held()
        row = await casino.row(bet)
        await casino.bets.end_absent(row.bet_id, row.owner, [])
        await casino.release()
        assert await handle.result() is BetState.REFUSED
        assert [incident.kind for incident in await casino.incidents()] == ["debited_after_the_end"]
        await resumed(casino, temporal)
        back = temporal.get_workflow_handle(f"resume-reversal:{row.bet_id}:1")
        assert await back.result() == "reversed"
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]
        row = await casino.row(bet)
        assert (row.state, row.refusal) == ("refused", "casino_unavailable")
        assert await sweep(casino, temporal) == 0


async def test_a_terminated_bet_is_taken_up_again(database_url: str, temporal: Client) -> None:
    async with _numbered_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        record, handle = await start(temporal, bet)
        await casino.calls.mark_told(record.bet_id, "r")
        await _aged(casino)
        assert await sweep(casino, temporal) == 0
        await _gone(temporal, handle)
        await resumed(casino, temporal)
        next_life = temporal.get_workflow_handle_for(Bet.run, f"resume:{record.bet_id}:1")
        settled = await update(next_life, "pay_out", casino.pay_out(bet, "25.00"))
        assert (settled.state, settled.lives) == (BetState.SETTLED, 1)
        assert await casino.journal() == BOTH
        assert await sweep(casino, temporal) == 0


@pytest.mark.parametrize("kind", [-1, 1, 2])
async def test_a_movement_under_way_is_repeated_by_the_next_life(
    database_url: str, temporal: Client, kind: int
) -> None:
    profile = "{retry: {first: 0.1, cap: 0.2}, message_lifetime: 60}"
    async with _numbered_casino(database_url, profile=profile) as casino, working(temporal, casino):
        # Nor does the casino list what it has made.
        no_list = {"kind": "error", "path": "/payments/info"}
        await casino.faults({"kind": "lost", "path": MAKE, "transaction_type": kind}, no_list)
        bet = await casino.pay_in()
        handle = await begin(temporal, bet)
        if kind != -1:
            await _paid_in(handle)
            await handle.signal("pay_out" if kind == 1 else "refund", _call(casino, bet, kind))

        async def sent_often() -> bool:
            return (await casino.attempts()).get(kind, 0) > 2

        await eventually(sent_often)
        await _gone(temporal, handle)
        await _aged(casino)
        await resumed(casino, temporal)
        await casino.faults()
        row = await casino.row(bet)
        next_life = temporal.get_workflow_handle_for(Bet.run, f"resume:{row.bet_id}:1")
        if kind == -1:
            assert (await _paid_in(next_life)).state is BetState.ACCEPTANCE
            await update(next_life, "pay_out", casino.pay_out(bet, "25.00"))
        assert await next_life.result() is (BetState.REFUNDED if kind == 2 else BetState.SETTLED)
        assert await casino.journal() == ([(-1, "10.00"), (2, "10.00")] if kind == 2 else BOTH)


async def _paid_in(handle: Handle) -> BetRecord:
    record: BetRecord = await handle.execute_update("pay_in", id="pay_in", result_type=BetRecord)
    return record


def _call(casino: InProcessCasino, bet: PayIn, kind: int) -> object:
    return casino.pay_out(bet, "25.00") if kind == 1 else casino.refund(bet)


async def test_of_two_workflows_one_takes_the_bet_over(database_url: str, temporal: Client) -> None:
    async with _numbered_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        record, handle = await start(temporal, bet)
        await casino.calls.mark_told(record.bet_id, "r")
        await _aged(casino)
        await _gone(temporal, handle)
        await resumed(casino, temporal)
        first = temporal.get_workflow_handle_for(Bet.run, f"resume:{record.bet_id}:1")
        await eventually(lambda: _lives(casino, bet, 1))
        # A second one that has seen the old owner too, as after a restart of Temporal from a backup.
        argument = (await first.fetch_history()).events[0].workflow_execution_started_event_attributes.input
        decoded = await temporal.data_converter.decode(argument.payloads, [PayIn])
        late = await temporal.start_workflow("Bet", decoded[0], id="late", task_queue="bets")
        assert await late.result() is None
        await update(first, "pay_out", casino.pay_out(bet, "25.00"))
        assert await casino.journal() == BOTH


async def test_a_workflow_that_ended_before_it_began_is_followed_by_another(
    database_url: str, temporal: Client
) -> None:
    async with _numbered_casino(database_url) as casino:
        async with working(temporal, casino):
            bet = await casino.pay_in()
            record, handle = await start(temporal, bet)
            await casino.calls.mark_told(record.bet_id, "r")
            await _aged(casino)
        await _gone(temporal, handle)
        await resumed(casino, temporal)
        # No workflow has taken it over yet.
        await temporal.get_workflow_handle(f"resume:{record.bet_id}:1").terminate()
        await resumed(casino, temporal)
        async with working(temporal, casino):
            next_life = temporal.get_workflow_handle_for(Bet.run, f"resume:{record.bet_id}:2")
            await update(next_life, "refund", casino.refund(bet))
            assert await next_life.result() is BetState.REFUNDED
        with pytest.raises(RPCError):
            await temporal.get_workflow_handle(f"resume:{record.bet_id}:3").describe()
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]


async def _lives(casino: InProcessCasino, bet: PayIn, lives: int) -> bool:
    return bool((await casino.row(bet)).lives == lives)


async def test_a_foreign_row_is_not_debited(database_url: str, temporal: Client) -> None:
    # Another life of the bet has opened it, and its debit has no answer yet.
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        await casino.bets.open(bet, "another run", BetState.ACCEPTING, None)
        handle = await begin(temporal, bet)
        assert await handle.result() is None
        assert await casino.attempts() == {-1: 1}
        assert await casino.casino_calls() == []
