"""Section B, edge cases 15, 16, 19, 20, 21 and 24: calls in another order than the usual one."""

import asyncio
from functools import partial

import pytest

from tests.partner import Stack, TestPartner, until
from tests.system.scenarios import (
    DONE,
    REFUNDED,
    SETTLED,
    SLOW,
    STAKED,
    bets_locked,
    calls_arrived,
    in_parallel,
    workflow_is_deleted,
)

# How long a PayOut of an unknown bet is answered 99.
WINDOW = "order_window: 0.5"


@pytest.fixture(scope="module")
def stack(own_stack: Stack) -> Stack:
    """No other process writes while rows are locked."""
    return own_stack


@pytest.mark.edge_case(15, 16)
async def test_a_refund_before_its_pay_in_keeps_it_out(partner: TestPartner) -> None:
    bet = partner.new_bet()
    for _ in range(2):
        answer = await partner.refund(bet)
        assert (answer.outcome, answer.status) == (DONE, 200)
    row = await partner.row(bet)
    assert (row.state, row.stake) == ("refunded", None)
    for _ in range(2):
        answer = await partner.pay_in(bet)
        assert (answer.outcome, answer.status) == ((6, "already_refunded"), 200)
    assert (await partner.refund(bet)).outcome == DONE
    assert await partner.row(bet) == row
    assert await partner.calls() == []
    assert await partner.entries() == []
    assert await workflow_is_deleted(partner, bet)


@pytest.mark.edge_case(15, 7)
async def test_parallel_refunds_of_an_unknown_bet_are_one_tombstone(partner: TestPartner) -> None:
    bet = partner.new_bet()
    assert {answer.outcome for answer in await in_parallel(20, lambda: partner.refund(bet))} == {DONE}
    assert (await partner.pay_in(bet)).outcome == (6, "already_refunded")
    assert await partner.entries() == []


async def _is_off(
    partner: TestPartner, bet: str, refunded: tuple[int, str | None], paid_in: tuple[int, str | None]
) -> bool:
    """Check what must hold after PayIn and Refund in either order, and return whether the stake was taken on the way:
    a Refund that is filed before the stake is first sent prevents the send."""
    journal = await partner.journal(bet)
    row = await partner.row(bet)
    assert refunded == DONE
    assert row.state == "refunded"
    assert paid_in in (DONE, (6, "already_refunded"))
    taken = row.accepted_at is not None
    assert journal == (REFUNDED if taken else [])
    assert (row.told_at is not None) == (paid_in == DONE)
    assert (await partner.pay_in(bet)).outcome == paid_in
    assert await partner.journal(bet) == journal
    return taken


@pytest.mark.edge_case(15, 16, 17)
async def test_refund_and_pay_in_at_the_same_moment(stack: Stack) -> None:
    partner = await stack.partner()

    async def race(turn: int) -> None:
        bet = partner.new_bet()
        calls = [until(partial(partner.pay_in, bet)), until(partial(partner.refund, bet))]
        answers = await asyncio.gather(*(calls if turn % 2 else reversed(calls)))
        paid_in, refunded = answers if turn % 2 else reversed(answers)
        await _is_off(partner, bet, refunded.outcome, paid_in.outcome)

    await asyncio.gather(*(race(turn) for turn in range(30)))


@pytest.mark.edge_case(15, 16)
async def test_a_tombstone_and_a_bet_meet_at_the_row(stack: Stack) -> None:
    partner = await stack.partner()
    taken = set()
    for _ in range(8):
        bet = partner.new_bet()
        async with bets_locked(partner) as waiting:
            # Refund has found neither row nor workflow, and PayIn has begun: only the row is left to decide.
            refund = asyncio.create_task(until(partial(partner.refund, bet)))
            await waiting(1)
            pay_in = asyncio.create_task(until(partial(partner.pay_in, bet)))
            await waiting(2)
        taken.add(await _is_off(partner, bet, (await refund).outcome, (await pay_in).outcome))
    # The Refund has waited longer: it is not always the second.
    assert False in taken


@pytest.mark.edge_case(15, 17)
async def test_a_pay_in_that_got_there_first_takes_the_refund(stack: Stack) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    async with bets_locked(partner) as waiting:
        pay_in = asyncio.create_task(partner.pay_in(bet))
        await waiting(1)
        # No row yet, but a workflow: the Refund goes there, and leaves no tombstone.
        refund = asyncio.create_task(partner.refund(bet))
        await calls_arrived(partner, 2)
    refunded, paid_in = await refund, await pay_in
    assert (await partner.row(bet)).stake == 1000
    assert await _is_off(partner, bet, refunded.outcome, paid_in.outcome)


@pytest.mark.edge_case(19)
@pytest.mark.parametrize("amount", ["25.00", "0"])
async def test_a_pay_out_without_a_bet_is_unknown_then_never_seen(stack: Stack, amount: str) -> None:
    partner = await stack.partner(provider=WINDOW)
    bet = partner.new_bet()
    answer = await partner.pay_out(bet, amount)
    assert (answer.outcome, answer.status) == ((99, "outcome_unknown"), 503)
    assert await partner.row(bet) is None
    assert await workflow_is_deleted(partner, bet)
    # The window is counted from the first PayOut: repeats, which come more often, do not extend it.
    answer = await until(lambda: partner.pay_out(bet, amount), seconds=5)
    assert (answer.outcome, answer.status) == ((5, "never_seen"), 200)
    row = await partner.row(bet)
    assert (row.state, row.refusal) == ("refused", "never_seen")
    assert (await partner.pay_in(bet)).outcome == (6, "bet_refused")
    assert (await partner.pay_out(bet, amount)).outcome == (5, "never_seen")
    assert (await partner.refund(bet)).outcome == (6, "bet_refused")
    assert await partner.row(bet) == row
    assert await partner.entries() == []
    assert await workflow_is_deleted(partner, bet)


@pytest.mark.edge_case(19)
async def test_a_pay_in_may_come_after_its_pay_out(stack: Stack) -> None:
    partner = await stack.partner(provider="order_window: 600")
    bet = partner.new_bet()
    assert (await partner.pay_out(bet)).code == 99
    assert (await partner.pay_in(bet)).outcome == DONE
    assert await partner.journal(bet) == STAKED
    assert (await partner.pay_out(bet)).outcome == DONE
    assert await partner.journal(bet) == SETTLED


@pytest.mark.edge_case(19)
async def test_never_seen_and_a_late_bet_meet_at_the_row(stack: Stack) -> None:
    partner = await stack.partner(provider="order_window: 0.001")
    for _ in range(8):
        bet = partner.new_bet()
        assert (await partner.pay_out(bet)).code == 99
        async with bets_locked(partner) as waiting:
            pay_out = asyncio.create_task(until(partial(partner.pay_out, bet)))
            await waiting(1)
            pay_in = asyncio.create_task(until(partial(partner.pay_in, bet)))
            await waiting(2)
        said = (await pay_in).outcome, (await pay_out).outcome
        assert said in ((DONE, DONE), ((6, "bet_refused"), (5, "never_seen")))
        assert await partner.journal(bet) == (SETTLED if said[0] == DONE else [])


@pytest.mark.edge_case(20)
@pytest.mark.parametrize("amount", ["25.00", "0"])
async def test_a_settled_bet_is_not_refunded(partner: TestPartner, amount: str) -> None:
    bet = partner.new_bet()
    await partner.pay_in(bet)
    assert (await partner.pay_out(bet, amount)).outcome == DONE
    row, entries = await partner.row(bet), await partner.entries()
    for _ in range(2):
        answer = await partner.refund(bet)
        assert (answer.outcome, answer.status) == ((6, "already_settled"), 200)
    assert (await partner.row(bet), await partner.entries()) == (row, entries)
    assert [entry["transaction_type"] for entry in entries] == [-1, 1]


@pytest.mark.edge_case(21)
@pytest.mark.parametrize(("amount", "incidents"), [("25.00", ["already_refunded"]), ("0", [])])
@pytest.mark.parametrize("tombstone", [False, True], ids=["bet", "tombstone"])
async def test_a_refunded_bet_is_not_paid_out(
    partner: TestPartner, amount: str, incidents: list[str], tombstone: bool
) -> None:
    bet = partner.new_bet()
    if not tombstone:
        await partner.pay_in(bet)
    assert (await partner.refund(bet)).outcome == DONE
    row, entries = await partner.row(bet), await partner.entries()
    answer = await partner.pay_out(bet, amount)
    assert (answer.outcome, answer.status) == ((6, "already_refunded"), 200)
    assert await partner.incidents(bet) == incidents
    assert (await partner.row(bet), await partner.entries()) == (row, entries)
    assert [entry["transaction_type"] for entry in entries] == ([] if tombstone else [-1, 2])


@pytest.mark.edge_case(20, 21)
@pytest.mark.parametrize("first", ["pay_out", "refund"])
async def test_a_resolution_in_flight_keeps_the_other_out(stack: Stack, first: str) -> None:
    partner = await stack.partner(casino=SLOW)
    bet = partner.new_bet()
    await partner.pay_in(bet)
    await partner.faults({"kind": "hold", "transaction_type": 1 if first == "pay_out" else 2, "times": 1})
    calls = {"pay_out": lambda: partner.pay_out(bet), "refund": lambda: partner.refund(bet)}
    in_flight = asyncio.create_task(calls.pop(first)())
    await partner.held()
    late = "already_settled" if first == "pay_out" else "already_refunded"
    assert (await calls.popitem()[1]()).outcome == (6, late)
    assert await partner.journal(bet) == STAKED
    await partner.release()
    assert (await in_flight).outcome == DONE
    assert await partner.journal(bet) == (SETTLED if first == "pay_out" else REFUNDED)
    assert await partner.incidents(bet) == ([] if first == "pay_out" else ["already_refunded"])


@pytest.mark.edge_case(24)
async def test_a_second_pay_out_is_not_added(partner: TestPartner) -> None:
    bet = partner.new_bet()
    await partner.pay_in(bet)
    first = await partner.pay_out(bet)
    assert first.outcome == DONE
    row, entries = await partner.row(bet), await partner.entries()
    others = (("30.00", "round-1"), ("25.00", "round-2"), ("0", "round-2"))
    for amount, round_id in others * 2:
        assert (await partner.pay_out(bet, amount, round_id)).outcome == (6, "different_data")
    # One for each that contradicts, however often it comes.
    assert await partner.incidents(bet) == ["different_data"] * len(others)
    assert await partner.pay_out(bet) == first
    assert (await partner.row(bet), await partner.entries()) == (row, entries)
