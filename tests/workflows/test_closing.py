"""Bets at a casino that receives close and does not confirm it. Edge case 89."""

import asyncio
from typing import Any

import pytest
from temporalio.client import Client

from betcore.domain.bet import BetState, ReversalState
from betcore.domain.ids import BetKey, reversal_workflow_id
from betcore.domain.messages import PayIn
from betcore.temporal.visibility import BET_STATUS, NEEDS_ATTENTION
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import ReversalHandle, begin, resumed, reverse, start, update, working
from workflows.reversal import Reversal

MAKE, CLOSE = "/payments/make", "/payments/close"
SETTLED = [(-1, "10.00"), (1, "25.00")]
BACK = [*SETTLED, (-2, "25.00"), (2, "10.00")]
CLOSES = "{send: {close: true}, effect_within: 0.3, retry: {first: 0.1, cap: 0.2}, breaker: {failures: 1000}}"
FAILING = {"kind": "error", "path": CLOSE}

pytestmark = pytest.mark.edge_case(89)


async def _shows(handle: Any, *wanted: object) -> None:
    """Wait until Temporal's list shows this status, and whether it needs attention."""

    async def shown() -> bool:
        told = (await handle.describe()).typed_search_attributes
        return (told.get(BET_STATUS), told.get(NEEDS_ATTENTION)) == wanted

    await eventually(shown, 30)


async def _paths(casino: InProcessCasino) -> list[str]:
    """Return the calls that the casino has received, in order; repeats of a close count once."""
    paths = [call["path"].rpartition("/")[2] for call in await casino.casino_calls()]
    return [path for at, path in enumerate(paths) if path != "close" or paths[at - 1 : at] != ["close"]]


def _reversal(client: Client, bet: PayIn) -> ReversalHandle:
    key = BetKey(bet.counterparty_id, bet.provider_bet_id)
    return client.get_workflow_handle_for(Reversal.run, reversal_workflow_id(key))


@pytest.mark.parametrize("name", ["pay_out", "refund"])
async def test_a_provider_is_answered_though_close_fails(database_url: str, temporal: Client, name: str) -> None:
    async with open_casino(database_url, casino=CLOSES) as casino, working(temporal, casino):
        await casino.faults({"kind": "hold", "path": CLOSE, "times": 1}, FAILING)
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        call = casino.pay_out(bet, "25.00") if name == "pay_out" else casino.refund(bet)
        record = await update(handle, name, call)
        assert record.state is (BetState.SETTLED if name == "pay_out" else BetState.REFUNDED)
        # The first attempt was held while the provider was answered; it fails, and so do all later ones.
        await casino.held()
        await _shows(handle, "closing", True)
        await casino.faults()
        assert await handle.result() is record.state
        await _shows(handle, record.state, False)
        assert (await _paths(casino))[-1] == "close"


async def test_a_close_that_fails_is_given_up_for_a_reversal(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=CLOSES) as casino, working(temporal, casino):
        await casino.faults(FAILING)
        bet = await casino.pay_in_out()
        settled, handle = await start(temporal, bet)
        await _shows(handle, "closing", True)
        assert (await update(handle, "refund", casino.refund(bet))).reversal is None
        assert await handle.result() is BetState.SETTLED
        await _shows(handle, "settled", False)
        reversal = _reversal(temporal, bet)
        # A close may have reached the casino, whatever it answered: the claw-back waits, and the status shows that.
        await _shows(reversal, "reopening", True)
        assert await casino.journal() == SETTLED
        await casino.faults()
        record, _ = await reverse(temporal, casino.reverse(bet, settled), casino.refund(bet))
        assert record.reversal is not None
        assert record.reversal.state is ReversalState.REVERSED
        assert await reversal.result() is ReversalState.REVERSED
        await _shows(reversal, "reversed", False)
        assert await casino.journal() == BACK
        assert await _paths(casino) == ["make", "make", "close", "make", "make", "close"]


async def test_a_close_that_is_late_does_not_close_a_bet_before_its_claw_back(
    database_url: str, temporal: Client
) -> None:
    """It was under way when it was given up, and takes effect at its casino after a moment."""
    profile = "{send: {close: true}, effect_within: 2, retry: {first: 0.1}, breaker: {failures: 1000}}"
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        await casino.faults({"kind": "error", "path": CLOSE, "times": 1}, {"kind": "hold", "path": CLOSE, "times": 1})
        bet = await casino.pay_in_out()
        _, handle = await start(temporal, bet)
        await casino.held()
        await handle.signal("refund", casino.refund(bet))
        assert await handle.result() is BetState.SETTLED
        reversal = _reversal(temporal, bet)
        await _shows(reversal, "reopening", True)
        await casino.release()
        assert await reversal.result() is ReversalState.REVERSED
        assert await casino.journal() == BACK


async def test_what_was_never_closed_is_not_opened(database_url: str, temporal: Client) -> None:
    """A Refund comes while the win is being paid: the bet is neither closed nor opened before the end."""
    async with open_casino(database_url, casino=CLOSES) as casino, working(temporal, casino):
        lost = {"path": MAKE, "transaction_type": 1}
        await casino.faults({"kind": "lost", "times": 2, **lost}, {"kind": "hold", "times": 1, **lost}, FAILING)
        bet = await casino.pay_in_out()
        handle = await begin(temporal, bet)
        await casino.held()
        await handle.signal("refund", casino.refund(bet))
        await casino.release()
        assert await handle.result() is BetState.SETTLED
        reversal = _reversal(temporal, bet)
        await _shows(reversal, "closing", True)
        assert await casino.journal() == BACK
        assert (await _paths(casino)).index("close") == len(await _paths(casino)) - 1
        await casino.faults()
        assert await reversal.result() is ReversalState.REVERSED


@pytest.mark.parametrize("fault", ["error", "lost"])
async def test_a_return_does_not_wait_for_close(database_url: str, temporal: Client, fault: str) -> None:
    """There is no win to take back: the bet is opened during the return, which the casino refuses until then."""
    async with open_casino(database_url, casino=CLOSES) as casino, working(temporal, casino):
        await casino.faults({"kind": fault, "path": CLOSE})
        bet = await casino.pay_in_out("10.00", "0")
        settled, handle = await start(temporal, bet)
        await _shows(handle, "closing", True)
        await handle.signal("refund", casino.refund(bet))
        assert await handle.result() is BetState.SETTLED
        record, reversal = await reverse(temporal, casino.reverse(bet, settled), casino.refund(bet))
        assert record.reversal is not None
        assert record.reversal.state is ReversalState.REVERSED
        await _shows(reversal, "closing", True)
        assert await casino.journal() == [(-1, "10.00"), (1, "0.00"), (2, "10.00")]
        await casino.faults()
        assert await reversal.result() is ReversalState.REVERSED


async def test_a_return_that_a_closed_bet_refuses_is_made_once_it_is_open(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=CLOSES) as casino, working(temporal, casino):
        bet = await casino.pay_in_out("10.00", "0")
        settled, handle = await start(temporal, bet)
        await handle.result()
        await casino.faults({**FAILING, "times": 3})
        record, reversal = await reverse(temporal, casino.reverse(bet, settled), casino.refund(bet))
        assert record.reversal is not None
        assert await reversal.result() is ReversalState.REVERSED
        await _shows(reversal, "reversed", False)
        assert await casino.journal() == [(-1, "10.00"), (1, "0.00"), (2, "10.00")]


async def test_a_stake_that_was_taken_after_the_end_goes_back_though_close_fails(
    database_url: str, temporal: Client
) -> None:
    """Its bet was never closed: there is nothing to open."""
    profile = CLOSES.replace("{send", "{attempt_timeout: 5, send", 1)
    async with open_casino(database_url, casino=profile) as casino, working(temporal, casino):
        await casino.faults({"kind": "hold_after", "path": MAKE, "times": 1}, FAILING)
        handle = await begin(temporal, bet := await casino.pay_in())
        await casino.held()
        row = await casino.row(bet)
        await casino.bets.end_absent(row.bet_id, row.owner, [])
        await casino.release()
        assert await handle.result() is BetState.REFUSED
        await resumed(casino, temporal)
        back = temporal.get_workflow_handle(f"resume-reversal:{row.bet_id}:1")
        await _shows(back, "closing", True)
        assert await casino.journal() == [(-1, "10.00"), (2, "10.00")]
        assert await _paths(casino) == ["make", "make", "close"]
        await casino.faults()
        assert await asyncio.wait_for(back.result(), 60) == "reversed"
