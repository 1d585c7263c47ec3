"""Rows 29 and 37, and casinos beside each other: one that is down or slow costs its own players time, nobody else's."""

import asyncio
from typing import Any

import pytest

from tests.table import Stack, Table, eventually, until
from tests.watch import holds, in_state, sends, status

DONE = (1, None)
UNAVAILABLE = (7, "casino_unavailable")
MAKE = "/payments/make"
DOWN = {"kind": "error", "path": MAKE}
# Stakes that nobody knows of are decided soon: this casino applies at once what it takes.
FRAIL = """
attempt_timeout: 0.5
message_lifetime: 1
clock_leeway: 0.1
effect_within: 0.2
retry: {first: 0.2, cap: 0.5}
breaker: {failures: 3, window: 30, probe_every: 1}
"""
HASTY = "answer_deadline: 2.5"


async def _broken(table: Table) -> None:
    """Break the casino, and play until its breaker is open."""
    await table.faults(DOWN)

    async def refused() -> bool:
        return (await table.pay_in(table.new_bet())).said == UNAVAILABLE

    await eventually(refused, 30)


@pytest.mark.row(37)
async def test_a_casino_that_is_down_fails_stakes_fast_and_gets_what_is_owed_when_it_is_back(stack: Stack) -> None:
    table = await stack.table(provider=HASTY, casino=FRAIL)
    owed = [table.new_bet() for _ in range(5)]
    for bet in owed:
        assert (await until(lambda bet=bet: table.pay_in(bet))).said == DONE
    await table.faults(DOWN)
    answers = await asyncio.gather(*(table.pay_out(bet) for bet in owed))
    assert {answer.code for answer in answers} == {99}
    await _broken(table)
    refused = table.new_bet()
    assert (await table.pay_in(refused)).said == UNAVAILABLE
    assert await sends(table, refused) == []
    # The refusal stands, however well the casino is later; what is owed is neither dropped nor turned round.
    await table.faults()
    for bet in owed:
        await in_state(table, bet, "settled")
        assert await table.journal(bet) == [(-1, "10.00"), (1, "25.00")]
    assert (await table.pay_in(refused)).said == UNAVAILABLE
    assert await table.journal(refused) == []

    async def taken() -> bool:
        return (await table.pay_in(table.new_bet())).said == DONE

    await eventually(taken, 30)


@pytest.mark.row(37)
async def test_what_is_owed_is_the_probe_where_nobody_plays(stack: Stack) -> None:
    table = await stack.table(provider=HASTY, casino=FRAIL)
    bet = table.new_bet()
    assert (await until(lambda: table.pay_in(bet))).said == DONE
    await _broken(table)
    assert (await table.pay_out(bet)).code == 99
    assert await _is_open(table)
    await table.faults()
    await in_state(table, bet, "settled")
    await holds(lambda: _is_open(table), lambda is_open: not is_open)


async def _is_open(table: Table) -> bool:
    query = """SELECT open_since FROM casino_health JOIN casino USING (casino_id) WHERE partner_client_id = :id"""
    found = await table.sql(query, id=table.partner_client_id)
    return bool(found and found[0].open_since)


@pytest.mark.row(37)
async def test_the_breaker_is_told_in_the_metrics(stack: Stack) -> None:
    table = await stack.table(provider=HASTY, casino=FRAIL)
    await _broken(table)
    [casino] = await table.sql("SELECT name FROM casino WHERE partner_client_id = :id", id=table.partner_client_id)
    async with stack.http.get(stack.addresses["api"] + "/metrics") as answer:
        found = await answer.text()
    assert f'betcore_breaker_open{{casino="{casino.name}"}} 1.0' in found


@pytest.mark.row(29)
async def test_a_casino_that_does_not_know_us_any_more_is_not_asked_by_every_stake(stack: Stack) -> None:
    # It says no once, and that is enough: the next stake is not sent.
    table = await stack.table(provider=HASTY, casino="breaker: {failures: 10, window: 30, probe_every: 60}")
    await table.faults({"kind": "status", "status": 401, "path": MAKE})
    assert (await table.pay_in(table.new_bet())).said == (7, "casino_refused")
    bet = table.new_bet()
    assert (await table.pay_in(bet)).said == UNAVAILABLE
    assert await sends(table, bet) == []


@pytest.mark.row(37)
async def test_a_slow_casino_does_not_slow_another(sweeping: Stack) -> None:
    # The slow one answers in the end: nothing fails, so no breaker helps. It has more callers than places, of which
    # there are a hundred.
    patient = "{attempt_timeout: 60, fast_attempts: 1, message_lifetime: 120}"
    slow = await sweeping.table(provider="answer_deadline: 40", casino=patient)
    quick = await sweeping.table(provider="answer_deadline: 10")
    await slow.faults({"kind": "hold", "path": MAKE})
    waiting = [asyncio.create_task(slow.pay_in(slow.new_bet(), "1.00")) for _ in range(120)]

    def met(calls: list[dict[str, Any]]) -> int:
        return len({call["bet_id"] for call in calls}) + sum(call.done() for call in waiting)

    await holds(lambda: slow.calls(), lambda calls: met(calls) == len(waiting))
    for _ in range(20):
        bet = quick.new_bet()
        assert (await quick.pay_in(bet)).said == DONE
        assert (await quick.pay_out(bet)).said == DONE
    assert not all(answer.done() for answer in waiting)
    await slow.faults()
    await slow.release()
    # Those that have found no place were refused, and not sent; the others got what they were waiting for.
    assert {answer.said for answer in await asyncio.gather(*waiting)} <= {DONE, UNAVAILABLE}


@pytest.mark.row(37)
async def test_a_bet_that_is_refused_for_the_casino_needs_nobody(stack: Stack) -> None:
    table = await stack.table(provider=HASTY, casino=FRAIL)
    await _broken(table)
    bet = table.new_bet()
    assert (await table.pay_in(bet)).said == UNAVAILABLE
    assert await status(table, bet) == ("refused", False)
