"""Stake and win of a PayInOut in one list, at a casino that certifies its order: with the real activities, a real
casino and a real Temporal."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from activities.wallet import Wallet
from betcore.domain.accepts import AcceptOutcome
from betcore.domain.activity_inputs import FindStake, Progress, TakeStake
from betcore.domain.bet import BetState, ReversalState
from betcore.domain.errors import Code
from betcore.domain.ids import BetKey, reversal_workflow_id
from betcore.domain.messages import Action, Operate, PayIn
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import begin, events, start, working
from tests.workflows.confirming_casino import PAY_OUT, STAKE, ConfirmingCasino
from workflows.reversal import Reversal

MAKE, LIST, INFO = "/payments/make", "/payments/make-list", "/payments/info"
ORDERED = "{send: {list: one_step}, retry: {first: 0.1, cap: 0.2}}"
# The same, and no call is sent again because a busy machine was slow.
PATIENT = f"{{attempt_timeout: 30, {ORDERED[1:]}"
# A debit that cannot be found is given up about two seconds after its provider's deadline.
HURRIED = f"{{accept_within: 0.2, clock_leeway: 0.2, effect_within: 0.3, message_lifetime: 1, {ORDERED[1:]}"
BOTH = [(STAKE, "10.00"), (PAY_OUT, "25.00")]
OWNER = "this test"


async def _movements(casino: InProcessCasino) -> dict[int, tuple[str, int]]:
    """Return state and sends of each movement of the only bet."""
    rows = await casino.sql("SELECT transaction_type, state, attempts FROM movement")
    return {row.transaction_type: (row.state, row.attempts) for row in rows}


async def _sent(casino: InProcessCasino) -> list[list[int]]:
    """Return the types of the movements in each call, in order."""
    calls = [call for call in await casino.casino_calls() if call["path"] in (MAKE, LIST)]
    return [[one["transaction_type"] for one in call["items"] or [call]] for call in calls]


async def _answered(casino: InProcessCasino, fault: dict[str, Any], client: Client) -> Any:
    """Play a PayInOut whose list meets a fault, to its end; return its row."""
    await casino.faults({"path": LIST, **fault})
    record, handle = await start(client, await casino.pay_in_out(seconds=30))
    await handle.result()
    return record


async def test_stake_and_win_are_one_call_and_one_activity(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=ORDERED) as casino, working(temporal, casino):
        bet = await casino.pay_in_out()
        record, handle = await start(temporal, bet)
        assert (record.state, record.win) == (BetState.SETTLED, bet.win)
        assert (str(record.accepted_balance), str(record.closed_balance)) == ("990.00", "1015.00")
        assert await handle.result() is BetState.SETTLED
        assert await _sent(casino) == [[STAKE, PAY_OUT]]
        assert await casino.journal() == BOTH
        assert await _movements(casino) == {STAKE: ("done", 1), PAY_OUT: ("done", 1)}
        types = await events(handle)
        assert types.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == 1
        assert types.count(EventType.EVENT_TYPE_MARKER_RECORDED) == 1
        assert EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED not in types
        ids = await casino.sql("SELECT DISTINCT partner_transaction_id FROM movement")
        assert len(ids) == 2


async def test_both_are_counted_before_their_list_leaves(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=PATIENT) as casino, working(temporal, casino):
        await casino.faults({"kind": "hold", "path": LIST, "times": 1})
        handle = await begin(temporal, await casino.pay_in_out(seconds=30))
        await casino.held()
        assert await _movements(casino) == {STAKE: ("sending", 1), PAY_OUT: ("sending", 1)}
        await casino.release()
        assert await handle.result() is BetState.SETTLED


@pytest.mark.parametrize("profile", ["{send: {list: credits}}", ""])
async def test_a_casino_that_does_not_certify_its_order_gets_no_such_list(
    database_url: str, temporal: Client, profile: str
) -> None:
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        record, _ = await start(temporal, await casino.pay_in_out())
        assert record.state is BetState.SETTLED
        assert await _sent(casino) == [[STAKE], [PAY_OUT]]


async def test_a_bet_of_two_steps_is_no_list(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=ORDERED) as casino, working(temporal, casino):
        record, _ = await start(temporal, await casino.pay_in())
        assert record.state is BetState.ACCEPTANCE
        assert await _sent(casino) == [[STAKE]]


async def test_no_money_for_the_stake_though_the_win_would_cover_it(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=ORDERED) as casino, working(temporal, casino):
        record, handle = await start(temporal, await casino.pay_in_out("1000.01", "5000.00"))
        assert (record.state, record.refusal) == (BetState.REFUSED, Code.NO_MONEY)
        assert await handle.result() is BetState.REFUSED
        assert await casino.journal() == []
        # The win is owed to nobody: not even a later look at the rows finds it.
        assert await _movements(casino) == {STAKE: ("refused", 1), PAY_OUT: ("absent", 1)}
        assert await _sent(casino) == [[STAKE, PAY_OUT]]


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        ({"kind": "last_item_missing"}, [[PAY_OUT]]),
        ({"kind": "items_reversed"}, []),
        ({"kind": "item_missing"}, [[STAKE], [PAY_OUT]]),
        ({"kind": "item_doubled"}, [[STAKE], [PAY_OUT]]),
        ({"kind": "item_foreign"}, [[STAKE], [PAY_OUT]]),
        ({"kind": "rewrite", "without": ["ErrorCode"]}, [[STAKE], [PAY_OUT]]),
        ({"kind": "rewrite", "fields": {"ErrorCode": 103803}}, [[PAY_OUT]]),
        ({"kind": "lost"}, [[STAKE], [PAY_OUT]]),
        ({"kind": "garbage"}, [[STAKE], [PAY_OUT]]),
        ({"kind": "drop"}, [[STAKE], [PAY_OUT]]),
        ({"kind": "error", "commit": True}, [[STAKE], [PAY_OUT]]),
        ({"kind": "status", "status": 404}, [[STAKE], [PAY_OUT]]),
        ({"kind": "error_code", "error_code": 4711}, [[STAKE], [PAY_OUT]]),
        ({"kind": "error_code", "error_code": 103803}, [[STAKE], [PAY_OUT]]),
    ],
    ids=lambda given: f"{given['kind']}-{given.get('error_code', '')}" if isinstance(given, dict) else "",
)
async def test_what_is_not_answered_clearly_goes_on_alone_and_is_made_once(
    database_url: str, temporal: Client, fault: dict[str, Any], sent: list[list[int]]
) -> None:
    profile = ORDERED if fault["kind"] == "lost" else PATIENT
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        record = await _answered(casino, fault, temporal)
        assert record.state is BetState.SETTLED
        assert await casino.journal() == BOTH
        assert await _sent(casino) == [[STAKE, PAY_OUT], *sent]
        assert {state for state, _ in (await _movements(casino)).values()} == {"done"}
        assert await casino.incidents() == []


@pytest.mark.parametrize("error_code", [103802, 102823])
async def test_a_list_that_is_refused_whole_refuses_the_stake(
    database_url: str, temporal: Client, error_code: int
) -> None:
    async with open_casino(database_url, casino=ORDERED) as casino, working(temporal, casino):
        record = await _answered(casino, {"kind": "error_code", "error_code": error_code}, temporal)
        assert record.state is BetState.REFUSED
        assert await _movements(casino) == {STAKE: ("refused", 1), PAY_OUT: ("absent", 1)}


async def test_a_refused_win_is_parked_and_the_stake_stands(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=ORDERED) as casino, working(temporal, casino):
        blocked = {"kind": "error_code", "error_code": 103805, "path": MAKE}
        await casino.faults({"kind": "error", "path": LIST}, {**blocked, "transaction_type": PAY_OUT})
        handle = await begin(temporal, await casino.pay_in_out())

        async def parked() -> bool:
            return (await _movements(casino)).get(PAY_OUT, ("",))[0] == "parked"

        await eventually(parked)
        assert (await casino.journal(), [one.kind for one in await casino.incidents()]) == ([BOTH[0]], ["parked"])
        await casino.faults()
        order = Operate(action=Action.RETRY, operator="ann", reason="a test")
        await handle.execute_update("operate", order)
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == BOTH


async def test_a_win_that_is_made_under_a_refused_stake_parks_the_stake(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=HURRIED) as casino, working(temporal, casino):
        await casino.faults({"kind": "order_broken", "path": LIST})
        bet = await casino.pay_in_out("1000.01", seconds=6)
        handle = await begin(temporal, bet)
        await _parked(casino)
        [incident] = await casino.incidents()
        row = await casino.row(bet)
        assert (incident.kind, incident.ours["type"]) == ("parked", STAKE)
        assert incident.theirs["reason"] == "win_without_stake"
        assert incident.theirs["transaction_id"] == f"{row.bet_id}:{PAY_OUT}"
        # Neither stake nor win is sent again.
        assert await _sent(casino) == [[STAKE, PAY_OUT]]
        for operator in ("ann", "ben"):
            order = Operate(action=Action.MARK_NOT_TAKEN, operator=operator, reason="a test")
            await handle.execute_update("operate", order)
        assert await handle.result() is BetState.REFUSED
        assert await _movements(casino) == {STAKE: ("absent", 1), PAY_OUT: ("absent", 1)}


async def test_a_stake_is_not_absent_while_the_casino_lists_its_win(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=HURRIED) as casino, working(temporal, casino):
        unclear: list[dict[str, Any]] = [{"kind": "lost", "path": LIST}, {"kind": "drop", "path": MAKE}]
        await casino.faults(*unclear)
        bet = await casino.pay_in_out(seconds=6)
        handle = await begin(temporal, bet)

        async def made() -> bool:
            return await casino.journal() == BOTH

        await eventually(made)
        # A replica of the casino's lags behind.
        bet_id = (await casino.row(bet)).bet_id
        win = {"BetId": bet_id, "TransactionType": PAY_OUT, "Amount": "25.00", "TransactionId": f"{bet_id}:1"}
        body = json.dumps({"ErrorCode": 200, "Message": "", "Value": [win]})
        listed = {"kind": "answer", "status": 200, "body": body, "path": INFO}
        await casino.faults(*unclear, listed)
        await _parked(casino)
        [incident] = await casino.incidents()
        assert incident.theirs["reason"] == "win_without_stake"
        await casino.faults()
        for operator in ("ann", "ben"):
            await handle.execute_update(
                "operate", Operate(action=Action.MARK_TAKEN, operator=operator, reason="a test")
            )
        assert await handle.result() is BetState.SETTLED
        assert await casino.journal() == BOTH


async def test_a_stake_that_never_arrived_owes_no_win(database_url: str, skipping: WorkflowEnvironment) -> None:
    async with open_casino(database_url, casino=HURRIED) as casino, working(skipping.client, casino):
        await casino.faults({"kind": "drop", "path": LIST}, {"kind": "drop", "path": MAKE})
        handle = await begin(skipping.client, await casino.pay_in_out(seconds=1))
        assert await handle.result() is BetState.REFUSED
        movements = await _movements(casino)
        assert (movements[STAKE][0], movements[PAY_OUT]) == ("absent", ("absent", 1))
        assert await casino.journal() == []


async def test_a_refund_while_the_stake_is_unknown_follows_the_win(database_url: str, temporal: Client) -> None:
    """The win may be at the casino from the first send on: to return the stake alone would leave the player both."""
    async with open_casino(database_url, casino=ORDERED) as casino, working(temporal, casino):
        await casino.faults(
            {"kind": "lost", "path": LIST, "times": 1},
            {"kind": "error", "path": MAKE, "times": 1},
            {"kind": "hold", "path": MAKE, "times": 1},
        )
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


@pytest.mark.parametrize(("win", "reversals"), [("25.00", 0), ("0.00", 1)])
async def test_a_stake_that_was_taken_after_the_end_is_not_returned_alone(
    database_url: str, temporal: Client, win: str, reversals: int
) -> None:
    """A worker was frozen with the casino's answer, and the casino's replica was stale. The player has the win."""
    async with open_casino(database_url, casino=PATIENT) as casino, working(temporal, casino):
        await casino.faults({"kind": "hold_after", "path": LIST, "times": 1})
        handle = await begin(temporal, bet := await casino.pay_in_out(win=win, seconds=30))
        await casino.held()
        row = await casino.row(bet)
        await casino.bets.end_absent(row.bet_id, row.owner, [])
        await casino.release()
        assert await handle.result() is BetState.REFUSED
        [incident] = await casino.incidents()
        assert (incident.kind, incident.theirs["transaction_id"]) == ("debited_after_the_end", f"{row.bet_id}:-1")
        assert incident.theirs.get("win") == (None if reversals else "EUR 25.00")
        assert len(await casino.sql("SELECT bet_id FROM reversal")) == reversals


# Casinos that confirm with Accept


@asynccontextmanager
async def _confirming(
    database_url: str, client: Client, profile: str = ORDERED
) -> AsyncIterator[tuple[InProcessCasino, ConfirmingCasino, PayIn, Any]]:
    """Begin a PayInOut whose list the casino has taken; the test sends its Accepts."""
    async with open_casino(database_url, casino=profile, confirmation="accept") as casino, working(client, casino):
        bet = await casino.pay_in_out()
        handle = await begin(client, bet)

        async def taken() -> bool:
            return bool(await _sent(casino))

        await eventually(taken)
        yield casino, ConfirmingCasino(casino, client), bet, handle


@pytest.mark.parametrize("first", [STAKE, PAY_OUT])
async def test_each_movement_has_its_accept_in_any_order(database_url: str, temporal: Client, first: int) -> None:
    async with _confirming(database_url, temporal) as (casino, confirming, bet, handle):
        for kind in (first, -first):
            assert await confirming.accepts(bet, kind) is AcceptOutcome.STORED
        assert await handle.result() is BetState.SETTLED
        # The win was not sent again while its Accept was awaited.
        assert await _sent(casino) == [[STAKE, PAY_OUT]]
        assert await _movements(casino) == {STAKE: ("done", 1), PAY_OUT: ("done", 1)}


@pytest.mark.parametrize("of_the_win", [None, 102823])
async def test_an_accept_that_refuses_the_stake_ends_the_win(
    database_url: str, temporal: Client, of_the_win: int | None
) -> None:
    async with _confirming(database_url, temporal) as (casino, confirming, bet, handle):
        if of_the_win is not None:
            assert await confirming.accepts(bet, PAY_OUT, of_the_win) is AcceptOutcome.STORED
        assert await confirming.accepts(bet, STAKE, 103802) is AcceptOutcome.STORED
        assert await handle.result() is BetState.REFUSED
        assert await _movements(casino) == {STAKE: ("refused", 1), PAY_OUT: ("absent", 1)}
        # Too late: it is told apart from a win that is owed, and an operator is told.
        assert await confirming.accepts(bet, PAY_OUT) is AcceptOutcome.CONTRADICTED


async def test_no_stake_ends_refused_beside_an_accept_for_its_win(database_url: str, temporal: Client) -> None:
    """The casino breaks its certificate: the refusal is not believed, and what it lists in the end is not either."""
    async with open_casino(database_url, casino=HURRIED, confirmation="accept") as casino:
        wallet: Wallet = casino.activities(temporal).wallet
        confirming, environment = ConfirmingCasino(casino, temporal), ActivityEnvironment()
        bet = await casino.pay_in_out()
        await casino.faults({"kind": "drop", "path": MAKE})
        step = await environment.run(wallet.try_stake, TakeStake(pay_in=bet, owner=OWNER))
        assert step.progress.is_open
        assert await confirming.accepts(bet, PAY_OUT) is AcceptOutcome.STORED
        row = await casino.row(bet)
        given: dict[str, Any] = {"movement": "refused", "done_codes": ["200"], "error_code": "103802"}
        record = await casino.bets.refuse_only_send(row.bet_id, OWNER, Code.NO_MONEY, **given)
        assert record.state is BetState.ACCEPTING
        order = FindStake(pay_in=bet, bet_id=row.bet_id, owner=OWNER, second_look=True, refund_filed=False)
        empty = json.dumps({"ErrorCode": 200, "Message": "", "Value": []})
        await casino.faults({"kind": "answer", "status": 200, "body": empty, "path": INFO})
        assert (await environment.run(wallet.find_stake, order)).progress is Progress.PARKED
        [incident] = await casino.incidents()
        assert incident.theirs["reason"] == "win_without_stake"


# What the rows allow


async def test_only_the_send_that_opens_the_bet_has_the_win_with_it(database_url: str, temporal: Client) -> None:
    """A worker is killed after the count and before the send: the next one cannot know whether the list has left."""
    async with open_casino(database_url, casino=ORDERED) as casino:
        wallet: Wallet = casino.activities(temporal).wallet
        bet = await casino.pay_in_out()
        await casino.bets.open(bet, OWNER, BetState.ACCEPTING, None, with_win=True)
        assert await _movements(casino) == {STAKE: ("sending", 1), PAY_OUT: ("sending", 1)}
        step = await ActivityEnvironment().run(wallet.try_stake, TakeStake(pay_in=bet, owner=OWNER))
        assert (step.progress, step.record and step.record.state) == (Progress.DONE, BetState.SETTLING)
        assert await _sent(casino) == [[STAKE]]
        assert await _movements(casino) == {STAKE: ("done", 2), PAY_OUT: ("sending", 1)}


async def _parked(casino: InProcessCasino) -> None:
    """Wait until the stake is parked."""

    async def decided() -> bool:
        return (await _movements(casino)).get(STAKE, ("sending",))[0] != "sending"

    await eventually(decided)
    assert (await _movements(casino))[STAKE][0] == "parked"
