"""Edge cases 190 to 198: pools of this service, to which stakes contribute, and which bets win."""

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from betcore.db.jackpot_pools import JackpotPools
from betcore.db.statements.jackpot_pools import PoolRow
from betcore.domain.jackpots import NewPool
from betcore.domain.money import Money
from betcore.verify.jackpots import check_jackpots
from betcore.verify.report import Report, ignore_progress
from tests.command_line import run
from tests.partner import Stack, TestPartner, until
from tests.system.scenarios import DONE, HASTY, NO_LIST, QUICK, UNKNOWN, bet_with_stake_taken, fault
from tests.system.test_scenarios_jackpots import JACKPOT, Call, opened, pay_in_out, pay_out, rows_fit
from tests.watch import has_status, holds

NO_POOL = (2, "jackpot_unknown")


@pytest.fixture
def pools(stack: Stack) -> JackpotPools:
    return JackpotPools(stack.database)


async def _pool(pools: JackpotPools, partner: TestPartner, share: str = "0.015", seed: str = "100.00") -> int:
    """Add a pool of the partner's game, and return its number."""
    name, amount = f"Grand {partner.new_bet()}", Money.parse(seed, "EUR")
    pool = NewPool(partner.casino, name, partner.provider, "dice", None, Decimal(share), amount)
    return (await pools.add(pool)).jackpot_id


async def _played(partner: TestPartner, bets: int, stake: str = "10.00") -> Sequence[str]:
    """Settle bets, and return them."""

    async def one() -> str:
        bet = await bet_with_stake_taken(partner, partial(partner.pay_in, amount=stake))
        assert (await until(partial(partner.pay_out, bet, "0"))).outcome == DONE
        return bet

    return await asyncio.gather(*(one() for _ in range(bets)))


async def _booked(pools: JackpotPools, jackpot_id: int) -> PoolRow:
    """Book all that is to be booked, and return the pool."""
    while await pools.book(jackpot_id, 1000):
        pass
    return await pools.pool(jackpot_id)


async def _verified(stack: Stack, jackpot_id: int) -> None:
    """Check all pools as ``verify`` does; other tests add to theirs meanwhile."""
    report = Report()
    await check_jackpots(stack.database, 0, report, ignore_progress)
    assert [one for one in report.violations if f"jackpot {jackpot_id}:" in one.what] == []
    assert report.checks["jackpots"].looked_at >= 1


@pytest.mark.edge_case(190)
async def test_stakes_contribute_when_they_settle_and_no_fraction_is_lost(stack: Stack, pools: JackpotPools) -> None:
    partner = await stack.partner()
    number = await _pool(pools, partner, share="0.0151")
    bets = [*await _played(partner, 7, "0.33"), await bet_with_stake_taken(partner, partner.pay_in)]
    one_step = partner.new_bet()
    assert (await until(partial(partner.pay_in_out, one_step, "0.33"))).outcome == DONE
    free = await bet_with_stake_taken(partner, partial(partner.pay_in, amount="0"))
    assert (await until(partial(partner.pay_out, free))).outcome == DONE
    assert await pools.unbooked(number) == 8
    for _ in range(8):
        assert await pools.book(number, 1) is not None
    assert await pools.book(number, 1) is None
    # floor(0.0151 x 264) is 3; eight times floor(0.0151 x 33) would be none.
    assert ((await pools.pool(number)).amount, (await pools.pool(number)).contributed) == (10003, 3)
    assert (await until(partial(partner.refund, bets[-1]))).outcome == DONE
    assert await pools.unbooked(number) == 0
    await _verified(stack, number)


@pytest.mark.edge_case(190)
async def test_a_reversal_takes_back_what_its_stake_has_contributed(stack: Stack, pools: JackpotPools) -> None:
    partner = await stack.partner()
    number = await _pool(pools, partner, share="0.1", seed="0")
    bet = partner.new_bet()
    assert (await until(partial(partner.pay_in_out, bet))).outcome == DONE
    assert (await _booked(pools, number)).amount == 100
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    row = await _booked(pools, number)
    assert (row.amount, row.stakes, row.contributed) == (0, 0, 0)
    await _verified(stack, number)


@pytest.mark.edge_case(191)
@pytest.mark.parametrize("call", [pay_out, pay_in_out])
async def test_a_bet_wins_a_pool_and_a_repeat_hears_the_same(stack: Stack, pools: JackpotPools, call: Call) -> None:
    partner = await stack.partner()
    number = await _pool(pools, partner)
    await _played(partner, 2)
    await _booked(pools, number)
    bet = await opened(partner, call)
    first = await until(partial(call, partner, bet, jackpotId=str(number)))
    assert (first.outcome, first.body["jackpotAmount"]) == (DONE, 100.3)
    assert (await partner.journal(bet))[-1] == (JACKPOT, "100.30")
    # A later win changes nothing of it, nor does the amount of now.
    assert (await pools.pool(number)).amount == 10000
    again = await call(partner, bet, jackpotId=number)
    assert (again.outcome, again.body["jackpotAmount"]) == (DONE, 100.3)
    other = await _pool(pools, partner)
    for different in ({"jackpotId": other}, {"jackpotAmount": "100.30"}, {"jackpotAmount": 0}):
        assert (await call(partner, bet, **different)).outcome == (6, "different_data")
    assert (await partner.refund(bet)).outcome == (6, "already_settled")
    row = await _booked(pools, number)
    assert [one.kind for one in await pools.entries(number, 10)][::-1] == [
        *("seed", "contribution", "win", "seed", "contribution")
    ]
    assert row.amount == 10015
    await rows_fit(partner, bet)
    await _verified(stack, number)


@pytest.mark.edge_case(192)
async def test_of_two_wins_at_once_one_gets_the_pool_and_the_other_the_seed(stack: Stack, pools: JackpotPools) -> None:
    partner = await stack.partner()
    number = await _pool(pools, partner)
    await _played(partner, 2)
    for _ in range(4):
        await _played(partner, 2)
        before = (await _booked(pools, number)).amount
        bets = [await bet_with_stake_taken(partner, partner.pay_in) for _ in range(2)]
        wins = [until(partial(pay_out, partner, bet, jackpotId=number)) for bet in bets]
        answers = await asyncio.gather(*wins, pools.book(number, 1000))
        won = sorted(round(one.body["jackpotAmount"] * 100) for one in answers[:2])
        assert won[0] == 10000
        # What settles while both are decided may have been booked before the first of them.
        assert before <= won[1] <= before + 60
        for bet in bets:
            await rows_fit(partner, bet)
    await _booked(pools, number)
    await _verified(stack, number)


@pytest.mark.edge_case(193)
async def test_a_win_takes_what_is_booked_and_the_rest_goes_to_the_next_pool(stack: Stack, pools: JackpotPools) -> None:
    partner = await stack.partner()
    number = await _pool(pools, partner, share="0.1")
    await _played(partner, 1)
    await _booked(pools, number)
    await _played(partner, 3)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    answer = await until(partial(pay_out, partner, bet, jackpotId=number))
    # The schedule of the stack may have booked them first.
    won = round(answer.body["jackpotAmount"] * 100)
    assert won in (10100, 10200, 10300, 10400)
    # The three, as far as they were not won, and the winner's own stake.
    assert (await _booked(pools, number)).amount == 10000 + 10500 - won
    await _verified(stack, number)


@pytest.mark.edge_case(194)
async def test_a_disabled_pool_takes_nothing_shows_nothing_and_is_still_paid(stack: Stack, pools: JackpotPools) -> None:
    partner = await stack.partner()
    number = await _pool(pools, partner, share="0.1")
    (casino,) = await partner.sql("SELECT casino_id FROM casino WHERE name = :n", n=partner.casino)
    await _played(partner, 1)
    assert len(await pools.accumulated(casino.casino_id, None, None)) == 1
    await pools.disable(number)
    await _played(partner, 2)
    # What has settled before is still booked.
    assert (await _booked(pools, number)).amount == 10100
    assert await pools.accumulated(casino.casino_id, None, None) == []
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    answer = await until(partial(pay_out, partner, bet, jackpotId=number))
    assert (answer.outcome, answer.body["jackpotAmount"]) == (DONE, 101)
    # It is not seeded again: the next win is one of nothing.
    later = await bet_with_stake_taken(partner, partner.pay_in)
    answer = await until(partial(pay_out, partner, later, jackpotId=number))
    assert (answer.outcome, answer.body["jackpotAmount"]) == (DONE, 0)
    assert (await partner.journal(later))[-1] == (1, "25.00")
    assert (await pay_out(partner, later, jackpotId=number)).outcome == DONE
    for one in (bet, later):
        await rows_fit(partner, one)
    await _verified(stack, number)


@pytest.mark.edge_case(195)
async def test_a_pool_that_a_bet_cannot_win_is_refused_and_nothing_is_recorded(
    stack: Stack, pools: JackpotPools
) -> None:
    partner, stranger = await stack.partner(), await stack.partner()
    dollars = NewPool(
        *(partner.casino, "Dollars", partner.provider, "dice", None, Decimal("0.01")), Money.parse("5.00", "USD")
    )
    slots = NewPool(
        *(partner.casino, "Slots", partner.provider, None, "slots", Decimal("0.01")), Money.parse("5.00", "EUR")
    )
    others = [
        *(await _pool(pools, stranger), (await pools.add(dollars)).jackpot_id, (await pools.add(slots)).jackpot_id),
        999_999_999,
    ]
    bet, fresh = await bet_with_stake_taken(partner, partner.pay_in), partner.new_bet()
    for number in others:
        answer = await pay_out(partner, bet, jackpotId=number)
        assert (answer.outcome, answer.status) == (NO_POOL, 400)
        assert (await pay_in_out(partner, fresh, jackpotId=number)).outcome == NO_POOL
    assert await partner.row(fresh) is None
    assert set(await partner.incidents(bet)) == {"unreadable_win"}
    # The bet is open: its provider corrects the call.
    assert (await until(partial(partner.pay_out, bet))).outcome == DONE


@pytest.mark.edge_case(195)
async def test_the_pool_of_a_category_is_for_all_its_games(stack: Stack, pools: JackpotPools) -> None:
    partner = await stack.partner()
    await partner.sql(
        "UPDATE game SET category = 'dice' WHERE provider_game_id = 'dice' AND provider_id = "
        "(SELECT provider_id FROM provider WHERE name = :n)",
        n=partner.provider,
    )
    pool = NewPool(
        *(partner.casino, "Category", partner.provider, None, "dice", Decimal("0.5")), Money.parse("1.00", "EUR")
    )
    number = (await pools.add(pool)).jackpot_id
    await _played(partner, 1)
    assert (await _booked(pools, number)).amount == 600
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    assert (await until(partial(pay_out, partner, bet, jackpotId=number))).body["jackpotAmount"] == 6


@pytest.mark.edge_case(196)
async def test_a_pool_that_is_won_is_paid_however_long_it_takes(stack: Stack, pools: JackpotPools) -> None:
    partner = await stack.partner(provider=HASTY, casino=QUICK)
    number = await _pool(pools, partner)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults(fault("error", JACKPOT), NO_LIST)
    assert (await pay_out(partner, bet, jackpotId=number)).outcome == UNKNOWN
    await has_status(partner, bet, "owed", True)
    # Nobody else wins it meanwhile.
    other = await bet_with_stake_taken(partner, partner.pay_in)
    await pay_out(partner, other, jackpotId=number)
    await partner.faults()
    wins = [await until(partial(pay_out, partner, one, jackpotId=number)) for one in (bet, other)]
    assert [one.body["jackpotAmount"] for one in wins] == [100, 100]
    assert len([one for one in await pools.entries(number, 10) if one.kind == "win"]) == 2
    await _verified(stack, number)


@pytest.mark.edge_case(197)
async def test_stakes_are_booked_once_however_many_book(stack: Stack, pools: JackpotPools) -> None:
    partner = await stack.partner()
    number = await _pool(pools, partner, share="0.1")
    await _played(partner, 12)

    async def books() -> None:
        while await pools.book(number, 2):
            pass

    await asyncio.gather(*(books() for _ in range(6)))
    row = await _booked(pools, number)
    assert (row.amount, row.stakes) == (11200, 12000)
    await _verified(stack, number)


@pytest.mark.edge_case(197)
async def test_the_schedule_books_them(stack: Stack, pools: JackpotPools) -> None:
    partner = await stack.partner()
    number = await _pool(pools, partner, share="0.1")
    await _played(partner, 3)
    # As the schedule starts it, which the first pool of a stack brings within a minute.
    done = await stack.client.execute_workflow("JackpotBookings", id=f"jackpots-{number}", task_queue="bets")
    assert isinstance(done, int)
    await holds(lambda: pools.pool(number), lambda row: row.amount == 10300)


async def _jackpot(partner: TestPartner, *words: str) -> tuple[int, dict[str, Any]]:
    result = await run(partner.stack.folder, "jackpot", *words, "--json", BETCORE_OPERATOR="ann")
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.edge_case(198)
async def test_an_adjustment_takes_two_operators(stack: Stack, pools: JackpotPools) -> None:
    partner = await stack.partner()
    about = ("--casino", partner.casino, "--provider", partner.provider, "--currency", "EUR", "--game-id", "dice")
    status, made = await _jackpot(partner, "add", *about, "--name", "Grand", "--share", "0.015", "--seed", "100.00")
    assert (status, made["amount"]) == (0, "100.00")
    number = str(made["jackpot_id"])

    async def adjust(operator: str, amount: str) -> tuple[int, Any]:
        words = ("adjust", number, f"--amount={amount}", "--operator", operator, "--reason", "a marketing budget")
        status, said = await _jackpot(partner, *words)
        return status, said["error"]["code"] if status else (said["done"], said["amount"])

    assert await adjust("ann", "50.00") == (0, (False, "100.00"))
    assert await adjust("Ann ", "50.00") == (1, "operation_refused")
    # Another amount is another proposal, which takes the place of the first.
    assert await adjust("ben", "51.00") == (0, (False, "100.00"))
    assert await adjust("ann", "50.00") == (0, (False, "100.00"))
    assert await adjust("ben", "50.00") == (0, (True, "150.00"))
    assert await adjust("cem", "50.00") == (0, (False, "150.00"))
    assert await adjust("ann", "-150.01") == (1, "operation_refused")
    assert await adjust("ann", "-30.00") == (0, (False, "150.00"))
    assert await adjust("ben", "-30.00") == (0, (True, "120.00"))
    assert (await adjust("ann", "0"))[0] == 1
    status, shown = await _jackpot(partner, "show", number)
    last = shown["journal"][0]
    assert (last["kind"], last["amount"], last["balance"], last["operators"]) == (
        *("adjustment", "-30.00", "120.00"),
        "ann, ben",
    )
    status, listed = await _jackpot(partner, "list", "--casino", partner.casino)
    assert [one["name"] for one in listed["jackpots"]] == ["Grand"]
    assert (await _jackpot(partner, "disable", number))[1]["disabled_at"] is not None
    for wrong in (("--share", "1.5"), ("--share", "0"), ("--category", "slots")):
        words = ("add", *about, "--name", "Other", "--share", "0.01", *wrong)
        assert (await _jackpot(partner, *words))[0] == 1
    status, said = await _jackpot(partner, "add", *about, "--name", "Grand", "--share", "0.015")
    assert said["error"]["code"] == "already_exists"
    await _verified(stack, int(number))
