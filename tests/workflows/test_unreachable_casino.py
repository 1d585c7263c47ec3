"""A casino to which no connection can be made: a movement that was counted once and not sent is certainly absent."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from betcore.domain.activity_inputs import Progress, TakeStake
from betcore.domain.bet import BetState, ReversalState
from betcore.domain.errors import Code
from devkit.stack.ports import free
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import reverse, start, update, working

pytestmark = pytest.mark.edge_case(100)
MAKE = "/payments/make"
BOTH = [(-1, "10.00"), (1, "25.00")]
BACK = [*BOTH, (-2, "25.00"), (2, "10.00")]
QUICK = "{message_lifetime: 3, retry: {first: 0.2, cap: 0.4}, breaker: {failures: 1000}}"


async def _moves_to(casino: InProcessCasino, address: str) -> None:
    await casino.sql("UPDATE casino SET api_host = :a RETURNING casino_id", a=address)


def _nowhere() -> str:
    return f"http://127.0.0.1:{free(1)[0]}"


async def _states(casino: InProcessCasino) -> list[tuple[int, str, int]]:
    found = await casino.sql("SELECT * FROM movement ORDER BY first_sent_at")
    return [(row.transaction_type, row.state, row.attempts) for row in found]


@pytest.mark.parametrize("confirmation", ["reply", "accept"])
@pytest.mark.parametrize("how", ["refused", "no_such_name", "no_tls"])
async def test_the_only_send_of_a_stake_that_did_not_leave_ends_it(
    database_url: str, temporal: Client, how: str, confirmation: str
) -> None:
    async with open_casino(database_url, confirmation=confirmation) as casino, working(temporal, casino):
        no_tls = casino.casino_url.replace("http:", "https:")
        addresses = {"refused": _nowhere(), "no_such_name": "http://casino.invalid", "no_tls": no_tls}
        await _moves_to(casino, addresses[how])
        record, handle = await start(temporal, await casino.pay_in(seconds=30))
        assert (record.state, record.refusal) == (BetState.REFUSED, Code.CASINO_UNAVAILABLE)
        assert await handle.result() is BetState.REFUSED
        assert await _states(casino) == [(-1, "absent", 1)]
        [health] = await casino.sql("SELECT failures FROM casino_health")
        assert health.failures == 1
        assert [call["path"] for call in await casino.casino_calls()] == []


async def test_a_stake_that_may_have_left_before_stays_unknown(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino="fast_attempts: 1") as casino:
        wallet = casino.activities(temporal).wallet
        order = TakeStake(pay_in=await casino.pay_in(seconds=60), owner="life")
        await casino.faults({"kind": "lost", "path": MAKE})
        first = await ActivityEnvironment().run(wallet.try_stake, order)
        await _moves_to(casino, _nowhere())
        second = await ActivityEnvironment().run(wallet.try_stake, order)
        assert (first.progress, second.progress) == (Progress.UNKNOWN, Progress.UNKNOWN)
        assert await _states(casino) == [(-1, "sending", 2)]
        await _moves_to(casino, casino.casino_url)
        await casino.faults()
        assert (await ActivityEnvironment().run(wallet.try_stake, order)).progress is Progress.DONE


async def test_what_is_owed_waits_for_the_casino(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url, casino=QUICK) as casino, working(temporal, casino):
        bet = await casino.pay_in(seconds=30)
        _, handle = await start(temporal, bet)
        await _moves_to(casino, _nowhere())
        await handle.signal("pay_out", casino.pay_out(bet, "25.00"))

        async def tried() -> bool:
            return (await casino.attempts()).get(1, 0) >= 3

        await eventually(tried, 60)
        await _moves_to(casino, casino.casino_url)
        assert (await update(handle, "pay_out", casino.pay_out(bet, "25.00"))).state is BetState.SETTLED
        assert await casino.journal() == BOTH


async def test_a_claw_back_that_did_not_leave_needs_no_look(database_url: str, temporal: Client) -> None:
    """Its window ends without the five minutes after which absence is certain."""
    async with open_casino(database_url, casino=QUICK) as casino, working(temporal, casino):
        bet = await casino.pay_in_out(seconds=30)
        settled, first = await start(temporal, bet)
        await first.result()
        await _moves_to(casino, _nowhere())
        order = casino.reverse(bet, settled)
        reversing = asyncio.create_task(reverse(temporal, order, casino.refund(bet)))

        async def another_window() -> bool:
            found = await casino.sql("SELECT not_after FROM movement WHERE transaction_type = -2")
            return bool(found) and found[0].not_after > order.not_after + timedelta(seconds=1)

        await eventually(another_window, 60)
        # At the pace of the slow lane, and not window after window without a gap.
        assert (await casino.attempts())[-2] < 100
        await _moves_to(casino, casino.casino_url)
        _, handle = await reversing
        assert await handle.result() is ReversalState.REVERSED
        assert await casino.journal() == BACK
        assert {call["path"] for call in await casino.casino_calls()} == {MAKE}
