"""Section B, edge cases 17, 18 and 22: PayOut and Refund while money is in flight."""

import asyncio
import time
from functools import partial

import pytest
from temporalio.api.enums.v1 import EventType

from tests.partner import Answer, Stack, TestPartner, until
from tests.system.scenarios import (
    DONE,
    HASTY,
    REFUNDED,
    SETTLED,
    SHORT_LIVED,
    SLOW,
    STAKED,
    UNAVAILABLE,
    UNKNOWN,
    bet_with_stake_sent,
    bet_with_stake_taken,
    bet_with_unknown_outcome,
    calls_arrived,
    journal_becomes,
    stake_was_sent,
)

# One send in the fast lane; the next, in the slow lane, may take its time.
LOSING = "{breaker: {failures: 1000}, attempt_timeout: 12, fast_attempts: 1, retry: {first: 0.1}}"
LOST = {"kind": "lost", "path": "/payments/make", "times": 1}


def _hold(kind: str = "hold_after", transaction_type: int = -1) -> dict[str, object]:
    return {"kind": kind, "transaction_type": transaction_type, "times": 1}


async def _kept(partner: TestPartner, bet: str) -> list[str]:
    """Return the signals in the history of the bet's workflow."""
    events = (await partner.workflow(bet).fetch_history()).events
    signals = [event for event in events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED]
    return [event.workflow_execution_signaled_event_attributes.signal_name for event in signals]


@pytest.mark.edge_case(17)
async def test_a_refund_is_kept_while_the_debit_is_in_flight(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=SLOW)
    await partner.faults(_hold(), _hold("hold", 2))
    bet, pay_in = await bet_with_stake_sent(partner, partner.pay_in)
    await partner.held()
    refund = await partner.refund(bet)
    assert (refund.outcome, refund.status) == ((99, "outcome_unknown"), 503)
    assert (await pay_in).code == 99
    await partner.release()
    # The provider does not repeat, and the stake goes back; until it is back no answer says so.
    await partner.held()
    assert (await partner.refund(bet)).code == 99
    assert (await partner.pay_in(bet)).outcome == (6, "already_refunded")
    assert await partner.journal(bet) == STAKED
    await partner.release()
    await journal_becomes(partner, bet, REFUNDED)
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    assert (await partner.pay_in(bet)).outcome == (6, "already_refunded")
    assert await partner.sent(bet) == [-1, 2]


@pytest.mark.edge_case(17)
async def test_a_refund_that_waits_for_the_debit(stack: Stack) -> None:
    partner = await stack.partner(casino=SLOW)
    bet = partner.new_bet()
    await partner.faults(_hold())
    pay_in = asyncio.create_task(partner.pay_in(bet))
    await partner.held()
    refund = asyncio.create_task(partner.refund(bet))
    await calls_arrived(partner, 2)
    await partner.release()
    assert (await refund).outcome == DONE
    paid_in = (await pay_in).outcome
    # An attempt under way may still hear "done": the Refund holds all the same, and repeats hear the same.
    assert paid_in in (DONE, (6, "already_refunded"))
    assert (await partner.pay_in(bet)).outcome == paid_in
    assert await partner.journal(bet) == REFUNDED


@pytest.mark.edge_case(17, 18)
@pytest.mark.parametrize("resolution", ["refund", "pay_out"])
async def test_nothing_follows_a_debit_that_is_refused(stack: Stack, resolution: str) -> None:
    partner = await stack.partner(casino=SLOW)
    bet = partner.new_bet()
    resolve = partner.refund if resolution == "refund" else partner.pay_out
    await partner.seat(balance="9.99")
    await partner.faults(_hold("hold"))
    pay_in = asyncio.create_task(partner.pay_in(bet))
    await partner.held()
    in_flight = asyncio.create_task(resolve(bet))
    await calls_arrived(partner, 2)
    await partner.release()
    assert (await pay_in).outcome == (4, "no_money")
    assert (await in_flight).outcome == (6, "bet_refused")
    assert (await resolve(bet)).outcome == (6, "bet_refused")
    assert await partner.sent(bet) == [-1]
    assert await partner.journal(bet) == []


@pytest.mark.edge_case(17, 18)
@pytest.mark.parametrize("resolution", ["refund", "pay_out"])
async def test_what_is_kept_is_durable_and_follows_the_debit(stack: Stack, resolution: str) -> None:
    partner = await stack.partner(provider="answer_deadline: 2", casino=SLOW)
    resolve = partner.refund if resolution == "refund" else partner.pay_out
    # Every other debit is refused.
    broke = await partner.seat("bob", "9.99")
    seated = [partner.session_id, broke] * 4
    await partner.faults({"kind": "hold", "transaction_type": -1, "times": len(seated)})
    stakes = [partial(partner.pay_in, session=seat) for seat in seated]
    bets, pay_ins = zip(*await asyncio.gather(*(bet_with_stake_sent(partner, stake) for stake in stakes)), strict=True)
    seats = list(zip(bets, seated, strict=True))
    await partner.held(len(bets))
    answers = await asyncio.gather(*(resolve(bet, session=seat) for bet, seat in seats), *pay_ins)
    assert {answer.outcome for answer in answers} == {(99, "outcome_unknown")}
    await partner.release()
    for bet, seat in seats:
        # Nobody asks again: what ends the bet is what was kept.
        await partner.workflow(bet).result()
        assert await _kept(partner, bet) == [resolution]
        if seat != broke:
            assert await partner.journal(bet) == (REFUNDED if resolution == "refund" else SETTLED)
            continue
        assert (await partner.pay_in(bet, session=seat)).outcome == (4, "no_money")
        assert (await resolve(bet, session=seat)).outcome == (6, "bet_refused")
        assert await partner.sent(bet) == [-1]
        assert await partner.journal(bet) == []


@pytest.mark.edge_case(17)
async def test_a_refund_while_the_debits_answer_is_lost(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=LOSING)
    await partner.faults(LOST, _hold("hold"))
    bet, pay_in = await bet_with_stake_sent(partner, partner.pay_in)
    # The first send took the money and its answer is lost; the second is held.
    await partner.held()
    assert await partner.journal(bet) == STAKED
    assert (await partner.refund(bet)).code == 99
    assert (await pay_in).code == 99
    assert await partner.journal(bet) == STAKED
    await partner.release()
    await journal_becomes(partner, bet, REFUNDED)
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    assert (await partner.pay_in(bet)).outcome == (6, "already_refunded")
    assert await partner.sent(bet) == [-1, -1, 2]


@pytest.mark.edge_case(17)
async def test_a_refund_of_a_debit_that_never_arrived(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=SHORT_LIVED)
    await partner.faults({"kind": "drop", "path": "/payments/make"})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    assert (await partner.refund(bet)).code == 99
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    assert (await partner.pay_in(bet)).outcome == (6, "already_refunded")
    row = await partner.row(bet)
    assert (row.state, row.told_at) == ("refunded", None)
    assert set(await partner.sent(bet)) == {-1}
    assert await partner.journal(bet) == []


@pytest.mark.edge_case(18)
async def test_a_pay_out_waits_for_the_debit(stack: Stack) -> None:
    partner = await stack.partner(casino=SLOW)
    bet = partner.new_bet()
    await partner.faults(_hold())
    pay_in = asyncio.create_task(partner.pay_in(bet))
    await partner.held()
    pay_out = asyncio.create_task(partner.pay_out(bet))
    await calls_arrived(partner, 2)
    assert await partner.sent(bet) == [-1]
    await partner.release()
    assert [(await call).outcome for call in (pay_in, pay_out)] == [DONE, DONE]
    assert await partner.journal(bet) == SETTLED
    assert await partner.sent(bet) == [-1, 1]


@pytest.mark.edge_case(18)
@pytest.mark.parametrize("lane", ["fast", "slow"])
async def test_a_pay_out_is_kept_while_the_debit_is_unknown(stack: Stack, lane: str) -> None:
    partner = await stack.partner(provider=HASTY, casino=LOSING)
    await partner.faults(*([LOST] if lane == "slow" else []), _hold("hold"))
    bet, pay_in = await bet_with_stake_sent(partner, partner.pay_in)
    await partner.held()
    answer = await partner.pay_out(bet)
    assert (answer.outcome, answer.status) == ((99, "outcome_unknown"), 503)
    assert (await pay_in).code == 99
    assert await partner.journal(bet) == (STAKED if lane == "slow" else [])
    await partner.release()
    # Nobody asks again.
    await journal_becomes(partner, bet, SETTLED)
    assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
    assert (await partner.pay_in(bet)).outcome == DONE
    assert await partner.sent(bet) == ([-1, -1, 1] if lane == "slow" else [-1, 1])


def _one_of_two(pay_out: Answer, refund: Answer) -> bool:
    """Return whether the bet was settled. One call must be done, and the other refused with the reason that fits."""
    said = pay_out.outcome, refund.outcome
    assert said in ((DONE, (6, "already_settled")), ((6, "already_refunded"), DONE))
    return pay_out.outcome == DONE


@pytest.mark.edge_case(22)
async def test_pay_out_and_refund_at_the_same_moment(stack: Stack) -> None:
    partner = await stack.partner()

    async def race(turn: int) -> bool:
        bet = await bet_with_stake_taken(partner, partner.pay_in)
        calls = [until(lambda: partner.pay_out(bet)), until(lambda: partner.refund(bet))]
        answers = await asyncio.gather(*(calls if turn % 2 else reversed(calls)))
        settled = _one_of_two(*(answers if turn % 2 else reversed(answers)))
        assert await partner.journal(bet) == (SETTLED if settled else REFUNDED)
        assert (await partner.row(bet)).state == ("settled" if settled else "refunded")
        return settled

    outcomes = await asyncio.gather(*(race(turn) for turn in range(40)))
    assert set(outcomes) == {True, False}


@pytest.mark.edge_case(22, 17, 18)
@pytest.mark.parametrize("first", ["pay_out", "refund"])
async def test_the_first_that_is_kept_wins(stack: Stack, first: str) -> None:
    partner = await stack.partner(provider=HASTY, casino=SLOW)
    await partner.faults(_hold())
    bet, pay_in = await bet_with_stake_sent(partner, partner.pay_in)
    await partner.held()
    calls = [partial(partner.pay_out, bet), partial(partner.refund, bet)]
    for call in calls if first == "pay_out" else reversed(calls):
        assert (await call()).code == 99
    assert (await pay_in).code == 99
    await partner.release()
    await journal_becomes(partner, bet, SETTLED if first == "pay_out" else REFUNDED)
    answers = await asyncio.gather(until(lambda: partner.pay_out(bet)), until(lambda: partner.refund(bet)))
    assert _one_of_two(*answers) == (first == "pay_out")
    assert await partner.sent(bet) == [-1, 1 if first == "pay_out" else 2]


@pytest.mark.edge_case(22)
async def test_all_three_calls_at_the_same_moment(stack: Stack) -> None:
    partner = await stack.partner()

    async def race() -> None:
        bet = partner.new_bet()
        pay_in, pay_out, refund = await asyncio.gather(
            until(lambda: partner.pay_in(bet)), until(lambda: partner.pay_out(bet)), until(lambda: partner.refund(bet))
        )
        settled = _one_of_two(pay_out, refund)
        debited = (await partner.row(bet)).accepted_at is not None
        assert await partner.journal(bet) == (SETTLED if settled else REFUNDED if debited else [])
        assert pay_in.outcome in ([DONE] if settled else [DONE, (6, "already_refunded")])

    await asyncio.gather(*(race() for _ in range(20)))


@pytest.mark.edge_case(2)
@pytest.mark.parametrize("lane", ["fast", "slow"])
async def test_the_deadline_is_kept(stack: Stack, lane: str) -> None:
    """The casino holds each call for longer than that, until it is let go."""
    partner = await stack.partner(provider="answer_deadline: 2", casino=LOSING)
    bets = [partner.new_bet() for _ in range(8)]
    lost = [{**LOST, "times": len(bets)}] if lane == "slow" else []
    await partner.faults(*lost, {"kind": "hold", "transaction_type": -1, "times": len(bets)})
    began = time.monotonic()
    answers = await asyncio.gather(*(partner.pay_in(bet) for bet in bets))
    took = time.monotonic() - began
    assert {answer.outcome for answer in answers} == {UNKNOWN}
    # An answer that waited for a held call would come after its 12 seconds.
    assert took < 11
    left = sum(await asyncio.gather(*(stake_was_sent(partner, bet) for bet in bets)))
    await partner.held(left)
    await partner.release()
    answers = await asyncio.gather(*(until(partial(partner.pay_in, bet)) for bet in bets))
    assert [answer.outcome for answer in answers].count(DONE) == left > 0
    books = {DONE: STAKED, UNAVAILABLE: []}
    assert [await partner.journal(bet) for bet in bets] == [books[answer.outcome] for answer in answers]
