"""Credits that the casino has made though its responses do not say so, and duplicates that it does not list."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from betcore.domain.bet import BetState, ReversalState
from betcore.domain.errors import Code
from betcore.domain.ids import TransactionType
from betcore.domain.messages import Action, Operate, Operated
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, begin, reverse, start, working
from tests.workflows.confirming_casino import PAY_OUT, STAKE, ConfirmingCasino

MAKE, INFO = "/payments/make", "/payments/info"
STAKED = [(-1, "10.00")]
BOTH, BACK = [*STAKED, (1, "25.00")], [*STAKED, (2, "10.00")]
REVERSED = [*BOTH, (-2, "25.00"), (2, "10.00")]
QUICK = "{retry: {first: 0.1, cap: 0.2}}"
HURRIED = "{clock_leeway: 0.2, effect_within: 0.5, message_lifetime: 1, retry: {first: 0.1, cap: 0.2}}"
# The casino makes the movement, and neither its first response nor that to a repeat says so.
UNREAD = [
    {"kind": "status", "status": 409, "commit": True},
    {"kind": "status", "status": 201, "commit": True},
    {"kind": "error_code", "error_code": 999, "commit": True},
    {"kind": "error_code", "error_code": 102823, "commit": True},
]
DUPLICATE = {"kind": "error_code", "error_code": 103803, "path": MAKE}


def _fault(transaction_type: int, **fault: object) -> dict[str, object]:
    return {"path": MAKE, "transaction_type": transaction_type, **fault}


async def _paths(casino: InProcessCasino, path: str) -> int:
    return [call["path"] for call in await casino.casino_calls()].count(path)


async def _is(casino: InProcessCasino, kind: int, state: str) -> bool:
    found = await casino.sql("SELECT state FROM movement WHERE transaction_type = :k", k=kind)
    return [row.state for row in found] == [state]


async def _kinds(casino: InProcessCasino) -> list[str]:
    return [incident.kind for incident in await casino.incidents()]


async def _retry(handle: Handle) -> None:
    order = Operate(action=Action.RETRY, operator="ann", reason="a test")
    await handle.execute_update("operate", order, result_type=Operated)


async def _won(client: Client, casino: InProcessCasino) -> BetState | None:
    bet = await casino.pay_in(seconds=30)
    _, handle = await start(client, bet)
    await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
    return await asyncio.wait_for(handle.result(), 60)


async def _off(client: Client, casino: InProcessCasino) -> BetState | None:
    bet = await casino.pay_in(seconds=30)
    _, handle = await start(client, bet)
    await handle.signal("refund", casino.refund(bet))
    return await asyncio.wait_for(handle.result(), 60)


@pytest.mark.edge_case(84)
@pytest.mark.parametrize("fault", UNREAD, ids=["409", "201", "own-code", "failed"])
@pytest.mark.parametrize(
    ("play", "kind", "state", "journal"),
    [(_won, 1, BetState.SETTLED, BOTH), (_off, 2, BetState.REFUNDED, BACK)],
    ids=["win", "return"],
)
async def test_a_credit_that_was_made_is_found(
    database_url: str,
    temporal: Client,
    fault: dict[str, object],
    play: Callable[[Client, InProcessCasino], Awaitable[BetState | None]],
    kind: int,
    state: BetState,
    journal: list[tuple[int, str]],
) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(temporal, casino):
        await casino.faults(_fault(kind, **fault))
        assert await play(temporal, casino) is state
        assert await casino.journal() == journal
        assert (await casino.attempts(), await _paths(casino, INFO)) == ({-1: 1, kind: 3}, 1)
        assert await _is(casino, kind, "done")


@pytest.mark.edge_case(84)
async def test_the_return_of_a_reversal_is_found(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(temporal, casino):
        bet = await casino.pay_in_out(seconds=30)
        settled, first = await start(temporal, bet)
        await first.result()
        await casino.faults(_fault(2, **UNREAD[0]))
        _, handle = await reverse(temporal, casino.reverse(bet, settled), casino.refund(bet))
        assert await handle.result() is ReversalState.REVERSED
        assert await casino.journal() == REVERSED


@pytest.mark.edge_case(84)
async def test_a_credit_that_the_casino_does_not_list_is_sent_on(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(temporal, casino):
        await casino.faults(_fault(1, kind="status", status=409, times=5))
        assert await _won(temporal, casino) is BetState.SETTLED
        assert (await casino.attempts(), await _paths(casino, INFO)) == ({-1: 1, 1: 6}, 3)
        assert await casino.journal() == BOTH


@pytest.mark.edge_case(84)
async def test_a_credit_whose_accept_never_comes_is_found(database_url: str, temporal: Client) -> None:
    profile = "{accept_within: 0.2, effect_within: 0.2, retry: {first: 0.1, cap: 0.2}}"
    async with (
        open_casino(database_url, casino=profile, confirmation="accept") as casino,
        working(temporal, casino),
    ):
        await casino.hints.listening.wait()
        confirming, bet = ConfirmingCasino(casino, temporal), await casino.pay_in(seconds=30)
        handle = await begin(temporal, bet)
        await confirming.sent(STAKE)
        await confirming.accepts(bet, STAKE)
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        await confirming.sent(PAY_OUT)
        assert await handle.result() is BetState.SETTLED
        assert (await casino.attempts())[1] == 3
        assert await _paths(casino, INFO) == 1


@pytest.mark.edge_case(84)
@pytest.mark.parametrize("code", [102145, 103801, 103804, 103805, 103806, 103808, 103809])
async def test_a_repeat_that_is_refused_for_good_is_looked_for_before_it_is_parked(
    database_url: str, temporal: Client, code: int
) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(temporal, casino):
        refused = _fault(1, kind="error_code", error_code=code)
        await casino.faults(_fault(1, kind="lost", times=1), refused)
        bet = await casino.pay_in(seconds=30)
        _, handle = await start(temporal, bet)
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))

        async def decided() -> bool:
            return await _is(casino, 1, "done") or await _is(casino, 1, "parked")

        await eventually(decided, 60)
        assert (await casino.attempts(), await _kinds(casino)) == ({-1: 1, 1: 2}, [])
        assert await casino.journal() == BOTH


@pytest.mark.edge_case(84)
async def test_a_parked_credit_is_looked_for_before_it_is_sent_again(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(temporal, casino):
        bet = await casino.pay_in(seconds=30)
        _, handle = await start(temporal, bet)
        await casino.faults(_fault(1, kind="refuse_after_commit", error_code=103805))
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))
        await eventually(lambda: _is(casino, 1, "parked"))
        made = await _paths(casino, MAKE)
        await _retry(handle)
        assert await handle.result() is BetState.SETTLED
        assert (await _paths(casino, MAKE), await _paths(casino, INFO)) == (made, 1)
        assert await _is(casino, 1, "done")


# Duplicates


@pytest.mark.edge_case(88)
async def test_a_duplicate_stake_that_is_not_listed_is_not_taken(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    async with open_casino(database_url, casino=HURRIED) as casino, working(skipping.client, casino):
        await casino.faults(DUPLICATE)
        handle = await begin(skipping.client, bet := await casino.pay_in(seconds=2))
        assert await handle.result() is BetState.REFUSED
        assert (await casino.row(bet)).refusal == Code.CASINO_UNAVAILABLE
        looks = await casino.sql("SELECT data FROM bet_event WHERE kind = 'looked'")
        assert [look.data["found"] for look in looks] == [False, False]
        assert (await casino.attempts())[-1] > 1
        assert (await casino.journal(), await _kinds(casino)) == ([], [])


@pytest.mark.edge_case(88)
@pytest.mark.parametrize("unclear", [False, True], ids=["absent", "unclear"])
async def test_a_duplicate_claw_back_that_is_not_listed_is_not_made(
    database_url: str, temporal: Client, unclear: bool
) -> None:
    async with open_casino(database_url, casino=HURRIED) as casino, working(temporal, casino):
        bet = await casino.pay_in_out(seconds=30)
        settled, first = await start(temporal, bet)
        await first.result()
        no_list = [{"kind": "error", "path": INFO}] if unclear else []
        await casino.faults(DUPLICATE | {"transaction_type": -2, "times": 4}, *no_list)
        _, handle = await reverse(temporal, casino.reverse(bet, settled), casino.refund(bet))
        assert (await casino.attempts())[-2] >= 5
        assert await handle.result() is ReversalState.REVERSED
        assert await casino.journal() == REVERSED


@pytest.mark.edge_case(88)
@pytest.mark.parametrize("call", ["pay_out", "refund"])
async def test_a_duplicate_credit_that_is_not_listed_is_sent_on_and_then_parked(
    database_url: str, temporal: Client, call: str
) -> None:
    async with open_casino(database_url, casino=HURRIED) as casino, working(temporal, casino):
        bet = await casino.pay_in(seconds=30)
        _, handle = await start(temporal, bet)
        await casino.faults(DUPLICATE)
        asked, kind = (casino.pay_out(bet, "25.00"), 1) if call == "pay_out" else (casino.refund(bet), 2)
        await handle.signal(call, asked)
        await eventually(lambda: _is(casino, kind, "parked"), 60)
        assert (await casino.attempts())[kind] >= 3
        assert (await casino.journal(), await _kinds(casino)) == (STAKED, ["parked"])
        [movement] = await casino.sql("SELECT * FROM movement WHERE transaction_type = :k", k=kind)
        [sent] = await casino.sql("SELECT max(at) AS at FROM bet_event WHERE kind = 'send'")
        assert sent.at - movement.duplicate_absent_since >= timedelta(seconds=0.3)
        # A retry by an operator gives it its time again.
        await _retry(handle)
        await eventually(lambda: _is(casino, kind, "sending"))
        await casino.faults()
        assert await handle.result() in (BetState.SETTLED, BetState.REFUNDED)
        assert await casino.journal() == [*STAKED, (kind, "25.00" if kind == 1 else "10.00")]


@pytest.mark.edge_case(88)
async def test_the_first_moment_of_a_duplicate_stays_until_it_is_tried_again(database_url: str) -> None:
    async with open_casino(database_url) as casino:
        bet, kind = await casino.pay_in(), TransactionType.ACCEPT_BET
        claim = await casino.bets.open(bet, "life", BetState.ACCEPTING, None)
        bet_id, hour = claim.record.bet_id, timedelta(hours=1)
        assert not await casino.bets.duplicate_absent(bet_id, "life", kind, hour)
        [first] = await casino.sql("SELECT duplicate_absent_since AS since FROM movement")
        assert await casino.bets.duplicate_absent(bet_id, "life", kind, timedelta())
        assert not await casino.bets.duplicate_absent(bet_id, "another life", kind, timedelta())
        [still] = await casino.sql("SELECT duplicate_absent_since AS since FROM movement")
        assert still.since == first.since
        await casino.bets.park(bet_id, "life", kind, "103803")
        await casino.bets.unpark(bet_id, "life", kind, "run/1")
        [again] = await casino.sql("SELECT duplicate_absent_since AS since FROM movement")
        assert again.since is None


@pytest.mark.edge_case(88)
async def test_a_casino_without_a_list_is_believed_on_a_repeat(database_url: str, temporal: Client) -> None:
    profile = "{duplicate_is_done: true, retry: {first: 0.1, cap: 0.2}}"
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        await casino.faults(
            {"kind": "error", "path": INFO},
            *(_fault(kind, kind="lost", times=1) for kind in (-1, 1)),
            DUPLICATE,
        )
        assert await _won(temporal, casino) is BetState.SETTLED
        assert (await casino.attempts(), await _paths(casino, INFO)) == ({-1: 2, 1: 2}, 0)
        assert await casino.journal() == BOTH


@pytest.mark.edge_case(88)
async def test_a_casino_without_a_list_is_not_believed_on_the_first_send(database_url: str, temporal: Client) -> None:
    profile = "{duplicate_is_done: true, retry: {first: 0.1, cap: 0.2}}"
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        await casino.faults({"kind": "error", "path": INFO}, DUPLICATE)
        handle = await begin(temporal, await casino.pay_in(seconds=30))
        await eventually(lambda: _is(casino, -1, "parked"))
        assert await casino.journal() == []
        await handle.terminate("the test is over")
