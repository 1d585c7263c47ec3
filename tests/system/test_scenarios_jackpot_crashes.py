"""Edge case 189: a process dies, or a workflow is lost, between the two movements of a bet that wins a jackpot."""

from decimal import Decimal
from functools import partial

import pytest

from betcore.db.jackpot_pools import JackpotPools
from betcore.domain.jackpots import NewPool
from betcore.domain.money import Money
from tests.partner import Stack, until
from tests.system.scenarios import DONE, HASTY, NO_LIST, SETTLED, bet_with_stake_taken, fault, until_definite
from tests.system.test_scenarios_jackpots import JACKPOT, WON, Call, opened, pay_in_out, pay_out, rows_fit
from tests.watch import holds, sends, sent

# A debit may be sent again for long enough to be sent by the next life.
LASTING = "{message_lifetime: 600, retry: {first: 0.1, cap: 0.5}}"
WITHIN = 120


@pytest.fixture(scope="module")
def stack(sweeping: Stack) -> Stack:
    """It has one worker, which dies, and soon resumes bets without a workflow."""
    return sweeping


@pytest.mark.edge_case(189)
@pytest.mark.parametrize("point", ["credit_counted", "credit_answered", "credit_recorded"])
@pytest.mark.parametrize("call", [pay_out, pay_in_out])
async def test_a_worker_dies_with_the_win(stack: Stack, point: str, call: Call) -> None:
    """At the last point the win is paid and the jackpot was never sent."""
    partner = await stack.partner(casino=LASTING)
    bet = await opened(partner, call)
    (stack.failpoints / point).touch()
    assert await until_definite(partial(call, partner, bet), WITHIN) == DONE
    assert not (stack.failpoints / point).exists()
    assert await partner.journal(bet) == WON
    await rows_fit(partner, bet)


@pytest.mark.edge_case(189, 191)
@pytest.mark.parametrize("point", ["decided", "counted", "answered", "recorded"])
async def test_a_worker_dies_with_a_pool_that_is_won(stack: Stack, point: str) -> None:
    """At the first point the pool is taken, and nothing was sent of win and jackpot."""
    partner, pools = await stack.partner(casino=LASTING), JackpotPools(stack.database)
    seed = Money.parse("100.00", "EUR")
    pool = await pools.add(NewPool(partner.casino, "Grand", partner.provider, "dice", None, Decimal("0.015"), seed))
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    armed = stack.failpoints / f"jackpot_{point}"
    armed.touch()
    answer = await until(partial(pay_out, partner, bet, jackpotId=pool.jackpot_id), WITHIN)
    assert not armed.exists()
    assert (answer.outcome, answer.body["jackpotAmount"]) == (DONE, 100)
    assert await partner.journal(bet) == [*SETTLED, (JACKPOT, "100.00")]
    assert [one.kind for one in await pools.entries(pool.jackpot_id, 10)][::-1][:3] == ["seed", "win", "seed"]
    await rows_fit(partner, bet)


@pytest.mark.edge_case(189)
@pytest.mark.parametrize("kind", ["hold", "hold_after"])
async def test_a_worker_dies_with_the_jackpot(stack: Stack, kind: str) -> None:
    partner = await stack.partner(provider=HASTY, casino="{attempt_timeout: 30, retry: {first: 0.1, cap: 0.5}}")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults(fault(kind, JACKPOT, 1))
    await pay_out(partner, bet)
    await partner.held()
    (stack.failpoints / "credit_counted").touch()
    other = await bet_with_stake_taken(partner, partner.pay_in)
    await pay_out(partner, other)
    await holds(lambda: _armed(stack), lambda armed: not armed, WITHIN)
    await partner.release()
    for one in (bet, other):
        assert await until_definite(partial(pay_out, partner, one), WITHIN) == DONE
        assert await partner.journal(one) == WON
        await rows_fit(partner, one)


async def _armed(stack: Stack) -> bool:
    return (stack.failpoints / "credit_counted").exists()


@pytest.mark.edge_case(189)
@pytest.mark.parametrize("call", [pay_out, pay_in_out])
async def test_a_workflow_is_lost_between_win_and_jackpot(stack: Stack, call: Call) -> None:
    partner = await stack.partner(provider=HASTY, casino=LASTING)
    bet = await opened(partner, call)
    await partner.faults(fault("error", JACKPOT), NO_LIST)
    await call(partner, bet)
    await holds(lambda: sends(partner, bet), lambda found: JACKPOT in [one["transaction_type"] for one in found])
    await partner.workflow(bet).terminate()
    # Before the casino is well: a send that was on its way when the workflow was lost could pay the jackpot.
    await holds(lambda: partner.row(bet), lambda row: row.lives == 1, WITHIN)
    await partner.faults()
    answer = await until(partial(call, partner, bet), WITHIN)
    assert (answer.outcome, answer.body["jackpotAmount"]) == (DONE, 500)
    assert await partner.journal(bet) == WON
    await rows_fit(partner, bet)


@pytest.mark.edge_case(189)
async def test_a_resumed_bet_of_one_step_has_its_jackpot_from_the_row(stack: Stack) -> None:
    """The workflow is lost while the stake is unknown: win and jackpot stand in the row alone."""
    partner = await stack.partner(provider="answer_deadline: 2.5", casino=LASTING)
    await partner.faults(fault("error", -1), NO_LIST)
    bet = partner.new_bet()
    await pay_in_out(partner, bet)
    await sent(partner, bet, 1)
    await partner.workflow(bet).terminate()
    await partner.faults()
    answer = await until(partial(pay_in_out, partner, bet), WITHIN)
    assert (answer.outcome, answer.body["jackpotAmount"]) == (DONE, 500)
    assert await partner.journal(bet) == WON
