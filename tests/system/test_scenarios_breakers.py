"""Edge cases 29 and 37, and one casino beside another: one that is down or slow delays only its own players."""

import asyncio
from functools import partial
from typing import Any

import pytest

from devkit.stack.ports import free
from tests.partner import Stack, TestPartner, eventually, until
from tests.system.scenarios import DONE, HASTY, UNAVAILABLE, UNKNOWN, bet_with_stake_taken
from tests.watch import holds, in_state, sends, status

MAKE, INFO = "/payments/make", "/payments/info"
# No call is answered: no question closes its breaker while a test looks at it.
DOWN = {"kind": "error"}
# Unknown stakes are decided soon: this casino applies at once what it takes.
FRAIL = """
attempt_timeout: 0.5
message_lifetime: 1
clock_leeway: 0.1
effect_within: 0.2
retry: {first: 0.2, cap: 0.5}
breaker: {failures: 3, window: 30, probe_every: 1}
"""
# A send to it is over before the worker's heartbeat is due; there is time for another one when
# it is quick again.
SLUGGISH = """
attempt_timeout: 3
fast_attempts: 1
message_lifetime: 60
retry: {first: 1, cap: 5}
breaker: {failures: 10000}
"""


async def _broken(partner: TestPartner) -> str:
    """Break the casino, and play until its breaker is open; a bet that is refused for that."""
    await partner.faults(DOWN)
    async with asyncio.timeout(60):
        # One stake a second is the probe, and is sent.
        while (await partner.pay_in(bet := partner.new_bet())).outcome != UNAVAILABLE or not await _is_open(partner):
            pass
    return bet


@pytest.mark.edge_case(37)
async def test_a_casino_that_is_down_fails_stakes_fast_and_gets_what_is_owed_when_it_is_back(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=FRAIL)
    owed = [await bet_with_stake_taken(partner, partner.pay_in) for _ in range(5)]
    await partner.faults(DOWN)
    answers = await asyncio.gather(*(partner.pay_out(bet) for bet in owed))
    assert {answer.code for answer in answers} == {99}
    refused = await _broken(partner)
    assert await sends(partner, refused) == []
    # The refusal stands, however well the casino is later; what is owed is neither dropped nor turned round.
    await partner.faults()
    for bet in owed:
        await in_state(partner, bet, "settled")
        assert await partner.journal(bet) == [(-1, "10.00"), (1, "25.00")]
    assert (await partner.pay_in(refused)).outcome == UNAVAILABLE
    assert await partner.journal(refused) == []

    async def plays_again() -> bool:
        return (await partner.pay_in(partner.new_bet())).outcome == DONE

    await eventually(plays_again, 30)


@pytest.mark.edge_case(37)
async def test_what_is_owed_is_the_probe_without_new_stakes(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=FRAIL)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await _broken(partner)
    assert (await partner.pay_out(bet)).code == 99
    assert await _is_open(partner)
    await partner.faults()
    await in_state(partner, bet, "settled")
    await holds(lambda: _is_open(partner), lambda is_open: not is_open)


@pytest.mark.edge_case(100)
async def test_a_casino_that_is_back_is_played_at_again_though_nothing_is_sent_to_it(stack: Stack) -> None:
    """Its connection is refused for a while: what did not leave is refused at once, and a worker finds it back."""
    partner = await stack.partner(casino=FRAIL)
    await _moves(partner, f"http://127.0.0.1:{free(1)[0]}")
    async with asyncio.timeout(60):
        while not await _is_open(partner):
            bet = partner.new_bet()
            assert (await partner.pay_in(bet)).outcome == UNAVAILABLE
            assert (await partner.row(bet)).state == "refused"
    await _moves(partner, stack.addresses["sandbox_casino"])
    await holds(lambda: _is_open(partner), lambda is_open: not is_open)
    paths = {call["path"] for call in await partner.calls()}
    assert INFO in paths
    assert MAKE not in paths
    await bet_with_stake_taken(partner, partner.pay_in)


async def _moves(partner: TestPartner, address: str) -> None:
    await partner.sql("UPDATE casino SET api_host = :a WHERE name = :n", a=address, n=partner.casino)


async def _is_open(partner: TestPartner) -> bool:
    query = """SELECT open_since FROM casino_health JOIN casino USING (casino_id) WHERE partner_client_id = :id"""
    found = await partner.sql(query, id=partner.partner_client_id)
    return bool(found and found[0].open_since)


@pytest.mark.edge_case(37)
async def test_the_breaker_is_in_the_metrics(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=FRAIL)
    await _broken(partner)
    [casino] = await partner.sql("SELECT name FROM casino WHERE partner_client_id = :id", id=partner.partner_client_id)
    async with stack.http.get(stack.addresses["api_inner"] + "/metrics") as answer:
        found = await answer.text()
    assert f'betcore_breaker_open{{casino="{casino.name}"}} 1.0' in found


@pytest.mark.edge_case(29)
async def test_a_casino_that_does_not_know_us_any_more_is_not_asked_by_every_stake(stack: Stack) -> None:
    # It says no once, and that is enough: the next stake is not sent.
    partner = await stack.partner(casino="breaker: {failures: 10, window: 30, probe_every: 60}")
    await partner.faults({"kind": "status", "status": 401, "path": MAKE})
    assert (await partner.pay_in(partner.new_bet())).outcome == (7, "casino_refused")
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == UNAVAILABLE
    assert await sends(partner, bet) == []


@pytest.mark.edge_case(37)
async def test_a_slow_casino_does_not_slow_another(sweeping: Stack) -> None:
    # It is too slow for every call, no breaker helps, and it has more callers than its hundred places.
    slow = await sweeping.partner(provider="answer_deadline: 2", casino=SLUGGISH)
    quick = await sweeping.partner(provider="answer_deadline: 30")
    await slow.faults({"kind": "hold", "path": MAKE})
    bets = [slow.new_bet() for _ in range(120)]
    heard = await asyncio.gather(*(slow.pay_in(bet, "1.00") for bet in bets))
    assert {answer.outcome for answer in heard} <= {UNKNOWN, UNAVAILABLE}
    for _ in range(10):
        bet = quick.new_bet()
        assert (await until(partial(quick.pay_in, bet), 90)).outcome == DONE
        assert (await until(partial(quick.pay_out, bet), 90)).outcome == DONE
    assert await slow.entries() == []
    await slow.faults()
    await slow.release()
    # Those that have found no place were refused, and not sent; the others get what they were waiting for.
    await holds(lambda: _undecided(slow), lambda found: not found, 240)
    told = await asyncio.gather(*(until(partial(slow.pay_in, bet, "1.00"), 90) for bet in bets))
    at_casino = {entry["bet_id"] for entry in await slow.entries()}
    for bet, first, last in zip(bets, heard, told, strict=True):
        assert first.outcome in (UNKNOWN, last.outcome)
        assert last.outcome == (DONE if (await slow.row(bet)).bet_id in at_casino else UNAVAILABLE)


async def _undecided(partner: TestPartner) -> list[Any]:
    query = """SELECT bet_id FROM bet JOIN casino USING (casino_id)
               WHERE partner_client_id = :id AND bet.state = 'accepting'"""
    return await partner.sql(query, id=partner.partner_client_id)


@pytest.mark.edge_case(37)
async def test_a_bet_that_is_refused_for_the_casino_needs_no_operator(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=FRAIL)
    bet = await _broken(partner)
    assert await status(partner, bet) == ("refused", False)
