"""Edge cases of a worker that dies or freezes in the middle of a bet."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from tests.partner import Stack, TestPartner, eventually, until
from tests.system.scenarios import DONE, HASTY, SETTLED, bet_with_stake_taken, bet_with_unknown_outcome
from tests.watch import at, holds, in_state, movement, passed, sends, sent

WORKERS = ("worker-1",)
MAKE = "/payments/make"
# The default gives up sending a debit before Temporal has missed a worker that is slow to come back.
PATIENT = "{message_lifetime: 600, retry: {first: 0.2, cap: 0.5}}"


@pytest.fixture(scope="module")
def stack(own_stack: Stack) -> Stack:
    """Its worker may be killed."""
    return own_stack


@pytest.mark.edge_case(66, 79)
async def test_a_worker_killed_between_the_answer_and_its_record(stack: Stack) -> None:
    """For the debit of one bet and the credit of another; each waits ten seconds for Temporal to miss its worker.

    The debit's repeats are refused for a while: that says nothing of the first send, which took the money.
    """
    staked, won = await stack.partner(provider=HASTY, casino=PATIENT), await stack.partner(provider=HASTY)
    win = await bet_with_stake_taken(won, won.pay_in)
    points = [stack.failpoints / point for point in ("debit_answered", "credit_answered")]
    for armed in points:
        armed.touch()
    stake, paid_out = await asyncio.gather(bet_with_unknown_outcome(staked, staked.pay_in), won.pay_out(win))
    assert paid_out.code == 99

    async def reached() -> bool:
        return not any(armed.exists() for armed in points)

    await eventually(reached, 60)
    await staked.faults({"kind": "error_code", "error_code": 103802, "path": MAKE})
    await sent(staked, stake, 3)
    assert (await staked.pay_in(stake)).code == 99
    assert (await staked.row(stake)).state == "accepting"
    await staked.faults()
    assert (await until(lambda: staked.pay_in(stake), 90)).outcome == DONE
    assert (await until(lambda: won.pay_out(win), 90)).outcome == DONE
    assert (await until(lambda: staked.pay_out(stake))).outcome == DONE
    for partner, bet, kind in ((staked, stake, -1), (won, win, 1)):
        assert await partner.journal(bet) == SETTLED
        repeats = [call["wallet_code"] for call in await sends(partner, bet) if call["transaction_type"] == kind]
        # The first and the last one: the wallet says to the repeat what it said before.
        assert (repeats[0], repeats[-1]) == (200, 200)
        # No send is uncounted; a count may lack its send if the kill of the other bet came between them.
        assert 1 < len(repeats) <= (await movement(partner, bet, kind)).attempts


@pytest.mark.edge_case(66)
async def test_workers_killed_between_pay_in_and_pay_out(stack: Stack) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == DONE
    killed = {name: stack.pid(name) for name in WORKERS}
    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)

    async def restarted() -> bool:
        # A pid file is empty for a moment while it is written.
        now = {name: (stack.folder / "run" / f"{name}.pid").read_text().split()[:1] for name in killed}
        return all(now[name] not in ([], [str(pid)]) for name, pid in killed.items())

    await eventually(restarted, 60)
    assert (await until(lambda: partner.pay_out(bet), 90)).outcome == DONE
    assert (await partner.pay_in(bet)).outcome == DONE
    assert await partner.journal(bet) == SETTLED
    assert len(await sends(partner, bet)) == 2


async def _working(stack: Stack, casino: str) -> TestPartner:
    """Return a partner once a worker is there: those that the tests above have killed may still be starting."""
    partner = await stack.partner(provider=HASTY, casino=casino)
    await bet_with_stake_taken(partner, partner.pay_in)
    return partner


@asynccontextmanager
async def _frozen(stack: Stack) -> AsyncIterator[None]:
    """Stop all workers during this block."""
    pids = [stack.pid(name) for name in WORKERS]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.edge_case(80)
async def test_a_worker_that_wakes_up_late_repeats_no_debit(stack: Stack) -> None:
    short = "{message_lifetime: 1, clock_leeway: 0, effect_within: 0.5, retry: {first: 0.5, cap: 0.5}}"
    partner = await _working(stack, short)
    # One that the worker has signed, and sends when it wakes up, is refused there.
    await partner.switches(leeway=0)
    await partner.faults({"kind": "drop", "path": MAKE})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    async with _frozen(stack):
        await passed(partner, bet)
        await partner.faults()
    assert (await until(lambda: partner.pay_in(bet))).outcome == (7, "casino_unavailable")
    assert max(at(call) for call in await sends(partner, bet)) <= (await movement(partner, bet, -1)).not_after
    assert await partner.journal(bet) == []


@pytest.mark.edge_case(80)
async def test_a_debit_that_arrives_after_its_last_moment_is_refused_by_the_casino(stack: Stack) -> None:
    """The worker stops between its count and its signature: the key that it needs cannot be read."""
    partner = await _working(stack, "message_lifetime: 1")
    await partner.switches(leeway=0)
    async with stack.engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        await connection.execute(text("LOCK TABLE signing_key IN ACCESS EXCLUSIVE MODE"))
        # A worker that has read the key lately goes on for a while.
        while (await partner.pay_in(bet := partner.new_bet())).code != 99:
            continue
        await in_state(partner, bet, "accepting")
        await passed(partner, bet)
        assert await sends(partner, bet) == []
    await holds(partner.calls, lambda calls: any(call["status"] == 401 for call in calls))
    assert (await until(lambda: partner.pay_in(bet))).outcome == (7, "casino_refused")
    assert await partner.journal(bet) == []
