"""Operators' actions against the workflow: what each does, when it is refused, and when it takes two."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from betcore.casino.accept_notifications import AcceptNotifications
from betcore.domain.activity_inputs import Progress
from betcore.domain.bet import BetState
from betcore.domain.ids import TransactionType
from betcore.domain.messages import Action, Operate, Operated
from betcore.domain.money import Money
from betcore.runtime.settings import Settings
from betcore.temporal.visibility import BET_STATUS
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, begin, start, update, working

BOTH, BACK = [(-1, "10.00"), (1, "25.00")], [(-1, "10.00"), (2, "10.00")]
MAKE = "/payments/make"
QUICK = "{retry: {first: 0.1, cap: 0.2}}"
HURRIED = "{clock_leeway: 0.2, effect_within: 0.3, message_lifetime: 1, retry: {first: 0.1, cap: 0.2}}"
BLOCKED = {"kind": "error_code", "error_code": 103805, "path": MAKE, "transaction_type": 1}


async def _ask(handle: Handle, action: Action, operator: str = "ann", win: str | None = None, **more: Any) -> Operated:
    given = Money.parse(win, "EUR") if win else None
    order = Operate(action=action, operator=operator, win=given, **({"reason": "a test"} | more))
    operated: Operated = await handle.execute_update("operate", order, result_type=Operated)
    return operated


async def _refused(handle: Handle, action: Action, **more: Any) -> str:
    """Return the message with which an action is refused."""
    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await _ask(handle, action, **more)
    cause = refusal.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "operation_refused"
    return cause.message


@asynccontextmanager
async def _parked(
    database_url: str, client: Client, profile: str = QUICK
) -> AsyncIterator[tuple[InProcessCasino, Handle]]:
    """Open a bet whose win the casino refuses for good."""
    async with open_casino(database_url, casino=profile) as casino, working(client, casino):
        bet = await casino.pay_in()
        _, handle = await start(client, bet)
        await casino.faults(BLOCKED)
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        await eventually(lambda: _is(casino, 1, "parked"))
        yield casino, handle


async def _is(casino: InProcessCasino, kind: int, state: str) -> bool:
    found = await casino.sql("SELECT state FROM movement WHERE transaction_type = :k", k=kind)
    return [row.state for row in found] == [state]


async def _operations(casino: InProcessCasino) -> list[tuple[str, str, bool]]:
    found = await casino.sql("SELECT data FROM bet_event WHERE kind = 'operate' ORDER BY event_id")
    return [(row.data["action"], row.data["operator"], row.data["done"]) for row in found]


@pytest.mark.edge_case(73)
async def test_a_parked_payout_that_is_tried_again_is_paid(database_url: str, temporal: Client) -> None:
    async with _parked(database_url, temporal) as (casino, handle):
        await casino.faults()
        assert (await _ask(handle, Action.RETRY)).done
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == BOTH
        assert await _operations(casino) == [("retry", "ann", True)]


@pytest.mark.edge_case(73)
async def test_a_parked_payout_that_is_still_refused_is_parked_again(database_url: str, temporal: Client) -> None:
    async with _parked(database_url, temporal) as (casino, handle):
        await _ask(handle, Action.RETRY)

        async def twice() -> bool:
            return [incident.kind for incident in await casino.incidents()] == ["parked", "parked"]

        await eventually(twice)
        assert await _is(casino, 1, "parked")


@pytest.mark.edge_case(73)
async def test_a_retry_hurries_what_waits_for_its_next_attempt(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino="{retry: {first: 250, cap: 300}}") as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        await casino.faults({"kind": "error", "path": MAKE})
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))

        async def pursued() -> bool:
            pending = (await handle.describe()).raw_description.pending_activities
            return any(activity.attempt > 1 for activity in pending)

        await eventually(pursued)
        await casino.faults()
        async with asyncio.timeout(20):
            await _ask(handle, Action.RETRY)
            assert await handle.result() is BetState.SETTLED


@pytest.mark.edge_case(44, 73)
async def test_a_bet_without_a_result_is_settled_by_an_operator(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, provider="{unconfirmed_within: 60}") as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        assert (await _ask(handle, Action.SETTLE, win="25.00")).done
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == BOTH


@pytest.mark.edge_case(73)
async def test_a_bet_without_a_result_is_voided_by_an_operator(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        assert (await _ask(handle, Action.VOID)).done
        assert await handle.result() is BetState.REFUNDED
        assert await casino.journal() == BACK


@pytest.mark.edge_case(73)
async def test_a_stake_in_doubt_that_is_voided_comes_back_if_it_was_taken(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    async with open_casino(database_url, casino=HURRIED) as casino, working(skipping.client, casino):
        await casino.faults({"kind": "lost", "path": MAKE, "transaction_type": -1})
        bet = await casino.pay_in(seconds=1)
        handle = await begin(skipping.client, bet)
        await eventually(lambda: _is(casino, -1, "sending"))
        await eventually(lambda: _answered(casino))
        assert (await _ask(handle, Action.VOID)).done
        assert await handle.result() is BetState.REFUNDED
        assert await casino.journal() == BACK


async def _answered(casino: InProcessCasino) -> bool:
    return bool(await casino.sql("SELECT 1 FROM bet_event WHERE kind = 'answer'"))


@pytest.mark.edge_case(73)
async def test_what_is_marked_as_paid_is_never_sent_again(database_url: str, temporal: Client) -> None:
    async with _parked(database_url, temporal, HURRIED) as (casino, handle):
        sends = len(await casino.casino_calls())
        assert (await _ask(handle, Action.MARK_PAID)).done
        assert "being looked for" in await _refused(handle, Action.RETRY)
        assert await handle.result() is BetState.SETTLED
        assert await _is(casino, 1, "paid_by_hand")
        looks = (await casino.casino_calls())[sends:]
        # Two looks, the second one ``effect_within`` after the first.
        assert [call["path"] for call in looks] == ["/payments/info"] * 2
        assert await casino.journal() == [(-1, "10.00")]


@pytest.mark.edge_case(73, 95)
async def test_what_is_marked_as_paid_and_was_paid_by_the_casino_is_done(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=HURRIED) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        # The casino makes the credit, and answers that it has refused it.
        await casino.faults({"kind": "refuse_after_commit", "error_code": 103805, "path": MAKE})
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        await eventually(lambda: _is(casino, 1, "parked"))
        await _ask(handle, Action.MARK_PAID)
        assert await handle.result() is BetState.SETTLED
        assert await _is(casino, 1, "done")
        parked, twice = await casino.incidents()
        assert (parked.kind, twice.kind) == ("parked", "paid_twice")
        named = {"transaction_id": f"{twice.bet_id}:1", "amount": "EUR 25.00"}
        assert (twice.ours, twice.theirs) == (named | {"state": "marked as paid by hand"}, named)


@pytest.mark.edge_case(73)
async def test_above_the_limit_it_takes_two(database_url: str, temporal: Client) -> None:
    limited = "{approval_above: {EUR: 5}}"
    async with open_casino(database_url, casino=limited) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        assert not (await _ask(handle, Action.VOID)).done
        assert "another operator" in await _refused(handle, Action.VOID)
        assert await casino.journal() == [(-1, "10.00")]
        # Another action, and another amount, are other proposals.
        assert not (await _ask(handle, Action.SETTLE, "ben", "25.00")).done
        assert not (await _ask(handle, Action.SETTLE, "ann", "24.00")).done
        assert (await _ask(handle, Action.VOID, "ben")).done
        assert await handle.result() is BetState.REFUNDED
        assert await casino.journal() == BACK
        assert await _operations(casino) == [
            ("void", "ann", False),
            ("settle", "ben", False),
            ("settle", "ann", False),
            ("void", "ben", True),
        ]


@pytest.mark.edge_case(73)
async def test_the_stake_weighs_as_much_as_the_win(database_url: str, temporal: Client) -> None:
    """One operator alone would settle a stake of 5,000 with nothing."""
    async with open_casino(database_url, casino="{approval_above: {EUR: 5}}") as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        proposed = await _ask(handle, Action.SETTLE, "Ann", "0")
        assert (proposed.done, "until" in proposed.detail) == (False, True)
        # The same operator in other letters, and another one with another win.
        assert "another operator" in await _refused(handle, Action.SETTLE, operator=" aNN ", win="0")
        assert not (await _ask(handle, Action.SETTLE, "ben", "1.00")).done
        assert not (await _ask(handle, Action.SETTLE, "Ann", "0")).done
        assert (await _ask(handle, Action.SETTLE, "ben", "0")).done
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == [(-1, "10.00"), (1, "0.00")]


@pytest.mark.edge_case(73)
async def test_a_proposal_lasts_an_hour(database_url: str, skipping: WorkflowEnvironment) -> None:
    limited = "{approval_above: {EUR: 5}}"
    async with open_casino(database_url, casino=limited) as casino, working(skipping.client, casino):
        with skipping.with_time_skipping_disabled():
            bet = await casino.pay_in()
            record, handle = await start(skipping.client, bet)
            await casino.calls.mark_told(record.bet_id, "r")
            assert not (await _ask(handle, Action.VOID)).done
        await skipping.fast_forward(handle, timedelta(hours=1, minutes=1))
        with skipping.with_time_skipping_disabled():
            assert not (await _ask(handle, Action.VOID, "ben")).done
            assert (await _ask(handle, Action.VOID)).done
            assert await handle.result() is BetState.REFUNDED


@pytest.mark.edge_case(73)
async def test_an_approval_is_of_the_state_that_was_seen(database_url: str, temporal: Client) -> None:
    limited = "{approval_above: {EUR: 5}, retry: {first: 0.1, cap: 0.2}}"
    async with open_casino(database_url, casino=limited) as casino, working(temporal, casino):
        await casino.faults({"kind": "error", "path": MAKE})
        bet = await casino.pay_in()
        handle = await begin(temporal, bet)
        await eventually(lambda: _answered(casino))
        assert not (await _ask(handle, Action.VOID)).done
        await casino.faults()

        async def accepted() -> bool:
            # The row has it before its workflow, and an operator asks the workflow.
            return (await handle.describe()).typed_search_attributes.get(BET_STATUS) == "open"

        await eventually(accepted)
        assert not (await _ask(handle, Action.VOID, "ben")).done
        assert (await _ask(handle, Action.VOID, "ann")).done
        assert await handle.result() is BetState.REFUNDED


@pytest.mark.edge_case(73)
async def test_what_does_not_fit_the_state_is_refused_and_leaves_no_trace(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        assert "acceptance" in await _refused(handle, Action.RETRY)
        assert "acceptance" in await _refused(handle, Action.MARK_PAID)
        assert "a win" in await _refused(handle, Action.SETTLE)
        assert "reason" in await _refused(handle, Action.VOID, reason="  ")
        assert "operator" in await _refused(handle, Action.VOID, operator="")
        await update(handle, "pay_out", casino.pay_out(bet, "25.00"))
        assert await _operations(casino) == []
        assert await casino.journal() == BOTH


@pytest.mark.edge_case(73)
async def test_a_bet_of_one_step_is_not_settled_by_an_operator(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(temporal, casino):
        await casino.faults({"kind": "error", "path": MAKE, "transaction_type": 1})
        bet = await casino.pay_in_out()
        handle = await begin(temporal, bet)
        await eventually(lambda: _is(casino, 1, "sending"))
        assert "settling" in await _refused(handle, Action.SETTLE, win="25.00")
        assert "settling" in await _refused(handle, Action.VOID)
        await casino.faults()
        assert await handle.result() is BetState.SETTLED


class Freezing(AcceptNotifications):
    """Notifications of Accepts that hold a worker between counting a send and sending it, as if it were frozen."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.thaw = asyncio.Event()

    @asynccontextmanager
    async def expect(self, bet_id: int, transaction_type: TransactionType) -> AsyncIterator[asyncio.Event]:
        await self.thaw.wait()
        yield asyncio.Event()


@pytest.mark.edge_case(73)
async def test_a_worker_that_wakes_up_late_pays_nothing(database_url: str, temporal: Client) -> None:
    """Without it the worker pays what was marked as paid while it was frozen."""
    async with open_casino(database_url, casino="{message_lifetime: 1, fast_attempts: 1}") as casino:
        bet = await casino.pay_in()
        async with working(temporal, casino):
            record, _ = await start(temporal, bet)
        frozen = Freezing(Settings(database_url=database_url))
        wallet = replace(casino, hints=frozen).activities(temporal).wallet
        pay = casino.credit(bet, record, "25.00")
        paying = asyncio.create_task(ActivityEnvironment().run(wallet.try_credit, pay))
        await eventually(lambda: _is(casino, 1, "sending"))
        # The message that it would send now is not valid any more.
        await asyncio.sleep(1.1)
        frozen.thaw.set()
        assert (await paying).progress is Progress.UNKNOWN
        assert await casino.journal() == [(-1, "10.00")]
        assert [call["transaction_type"] for call in await casino.casino_calls()] == [-1]
