"""Edge cases of section C: money owed to the player, refusals that may be wrong, and answers that P never got."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from typing import TypeVar

import pytest
from temporalio.api.enums.v1 import EventType

from tests.partner import Stack, TestPartner, until
from tests.system.scenarios import (
    CREDIT,
    DEBIT,
    DONE,
    HASTY,
    NO_LIST,
    QUICK,
    RETURN,
    UNKNOWN,
    bet_with_stake_taken,
    bet_with_unknown_outcome,
)
from tests.watch import at, has_status, holds, in_state, movement, sends, sent

MAKE = "/payments/make"
PARKING = {
    "player_unknown": 102145,
    "wrong_amount": 103801,
    "bet_unknown": 103804,
    "player_blocked": 103805,
    "limit_reached": 103806,
    "player_mismatch": 103808,
    "promo_refused": 103809,
}
RETRIED = {"failed": 102823, "no_money": 103802, "token_invalid": 103807}


T = TypeVar("T")
R = TypeVar("R")
Outcome = tuple[tuple[int, str | None], list[tuple[int, str]]]


async def _side_by_side(cases: dict[str, T], play: Callable[[T], Awaitable[R]]) -> dict[str, R]:
    """Play all cases at the same time, and return the result of each."""
    return dict(zip(cases, await asyncio.gather(*(play(case) for case in cases.values())), strict=True))


async def _staked(partner: TestPartner, *faults: dict[str, object]) -> str:
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults(*faults)
    return bet


@pytest.mark.edge_case(33)
async def test_a_credit_that_is_never_acknowledged_is_always_sent_again(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino="{retry: {first: 0.1, factor: 3, cap: 0.9}}")
    bet = await _staked(partner, {"kind": "error", "path": MAKE})
    assert (await partner.pay_out(bet)).outcome == UNKNOWN
    # The debit, two sends in the fast lane, then the slow one.
    await sent(partner, bet, 7)
    made = (await sends(partner, bet))[3:]
    gaps = [(at(after) - at(before)).total_seconds() for before, after in pairwise(made)]
    # Jitter takes a fifth away at most.
    assert all(gap >= 0.8 * least for gap, least in zip(gaps, [0.1, 0.3, 0.9], strict=False))
    assert {(call["transaction_type"], call["amount"], call["transaction_id"]) for call in made} == {
        (CREDIT, "25.00", f"{(await partner.row(bet)).bet_id}:1")
    }
    owed = f"WorkflowId = '{partner.workflow(bet).id}' AND BetStatus = 'owed' AND NeedsAttention = true"
    await holds(lambda: partner.stack.client.count_workflows(owed), lambda found: found.count == 1)
    assert (await partner.refund(bet)).outcome == (6, "already_settled")
    assert (await partner.row(bet)).state == "settling"
    await partner.faults()
    settled = await until(lambda: partner.pay_out(bet))
    assert (settled.outcome, settled.body["balance"]) == (DONE, 1015)
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (CREDIT, "25.00")]
    await has_status(partner, bet, "settled", False)


@pytest.mark.edge_case(33)
async def test_a_credit_whose_answers_are_lost_is_made_once(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=QUICK)
    bet = await _staked(partner, {"kind": "lost", "path": MAKE}, NO_LIST)
    assert (await partner.pay_out(bet)).outcome == UNKNOWN
    await sent(partner, bet, 5)
    await partner.faults()
    assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (CREDIT, "25.00")]


@pytest.mark.edge_case(34)
async def test_a_payout_that_the_casino_will_not_take_is_parked_with_the_reason(stack: Stack) -> None:
    async def play(code: int) -> None:
        partner = await stack.partner(provider=HASTY, casino=QUICK)
        bet = await _staked(partner, {"kind": "error_code", "error_code": code, "path": MAKE})
        assert (await partner.pay_out(bet)).outcome == UNKNOWN
        await has_status(partner, bet, "parked", True)
        assert await partner.incidents(bet) == ["parked"]
        parked = await movement(partner, bet, CREDIT)
        assert (parked.state, parked.error_code) == ("parked", str(code))
        await partner.faults()
        assert (await partner.pay_out(bet)).outcome == UNKNOWN
        assert (await partner.refund(bet)).outcome == (6, "already_settled")
        assert await partner.journal(bet) == [(DEBIT, "10.00")]
        assert len(await sends(partner, bet)) == 2
        assert (await partner.row(bet)).state == "settling"

    await _side_by_side(PARKING, play)


@pytest.mark.edge_case(34)
async def test_any_other_refusal_of_a_payout_is_retried(stack: Stack) -> None:
    async def play(code: int) -> list[tuple[int, str]]:
        partner = await stack.partner(casino=QUICK)
        bet = await _staked(partner, {"kind": "error_code", "error_code": code, "path": MAKE, "times": 3})
        assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
        return await partner.journal(bet)

    assert await _side_by_side(RETRIED, play) == {name: [(DEBIT, "10.00"), (CREDIT, "25.00")] for name in RETRIED}


@pytest.mark.edge_case(34)
async def test_a_refused_return_is_retried_always(stack: Stack) -> None:
    async def play(code: int) -> list[tuple[int, str]]:
        partner = await stack.partner(casino=QUICK)
        bet = await _staked(partner, {"kind": "error_code", "error_code": code, "path": MAKE, "times": 3})
        assert (await until(lambda: partner.refund(bet))).outcome == DONE
        return await partner.journal(bet)

    every = PARKING | RETRIED
    assert await _side_by_side(every, play) == {name: [(DEBIT, "10.00"), (RETURN, "10.00")] for name in every}


@pytest.mark.edge_case(36)
async def test_a_failing_return_is_retried_until_the_money_is_back(stack: Stack) -> None:
    async def play(kind: str) -> None:
        partner = await stack.partner(provider=HASTY, casino=QUICK)
        bet = await _staked(partner, {"kind": kind, "path": MAKE}, NO_LIST)
        assert (await partner.refund(bet)).outcome == UNKNOWN
        await has_status(partner, bet, "owed", True)
        await sent(partner, bet, 5)
        assert (await partner.refund(bet)).outcome == UNKNOWN
        assert (await until(lambda: partner.pay_out(bet))).outcome == (6, "already_refunded")
        await partner.faults()
        returned = await until(lambda: partner.refund(bet))
        assert (returned.outcome, returned.body["balance"]) == (DONE, 1000)
        assert await partner.journal(bet) == [(DEBIT, "10.00"), (RETURN, "10.00")]

    await asyncio.gather(play("error"), play("lost"))


LIES: dict[str, dict[str, object]] = {
    "no_money": {"kind": "error_code", "error_code": 103802},
    "player_blocked": {"kind": "error_code", "error_code": 103805},
    "limit_reached": {"kind": "error_code", "error_code": 103806},
    "unauthorised": {"kind": "status", "status": 401},
}
# A repeat that is taken and refused all the same.
TAKEN_ALL_THE_SAME: dict[str, dict[str, object]] = {"no_money": {"kind": "refuse_after_commit"}}


@pytest.mark.edge_case(79)
async def test_a_refusal_of_what_may_be_a_repeat_is_not_trusted(stack: Stack) -> None:
    """The first answer is lost, every repeat is refused; payments/info alone shows whether the money was taken."""
    short = "{message_lifetime: 2, clock_leeway: 0, effect_within: 0.5, retry: {first: 0.2, cap: 0.5}}"

    async def play(first: str, lie: dict[str, object]) -> Outcome:
        async with asyncio.timeout(300):
            while True:
                partner = await stack.partner(provider=HASTY, casino=short)
                await partner.faults({"kind": first, "path": MAKE, "times": 1}, lie | {"path": MAKE})
                bet = await bet_with_unknown_outcome(partner, partner.pay_in)
                answer = await until(partial(partner.pay_in, bet))
                if len(await sends(partner, bet)) > 2:
                    return answer.outcome, await partner.journal(bet)
                # A busy machine was too slow to send it again before its last moment.

    taken, not_taken, taken_later = await asyncio.gather(
        _side_by_side(LIES, lambda lie: play("lost", lie)),
        _side_by_side(LIES, lambda lie: play("drop", lie)),
        _side_by_side(TAKEN_ALL_THE_SAME, lambda lie: play("drop", lie)),
    )
    assert taken == dict.fromkeys(LIES, (DONE, [(DEBIT, "10.00")]))
    assert not_taken == dict.fromkeys(LIES, ((7, "casino_unavailable"), []))
    assert taken_later == {"no_money": (DONE, [(DEBIT, "10.00")])}


async def _unanswered(stack: Stack, unconfirmed_within: float) -> tuple[TestPartner, str]:
    """Return a bet whose PayIn was answered 99, and whose debit the casino has made, but not answered yet."""
    partner = await stack.partner(
        provider=f"{{{HASTY}, unconfirmed_within: {unconfirmed_within}}}",
        casino="{attempt_timeout: 5, fast_attempts: 1}",
    )
    await partner.faults({"kind": "hold_after", "path": MAKE, "times": 1})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    await partner.held()
    return partner, bet


@pytest.mark.edge_case(77)
async def test_a_stake_without_an_answered_pay_in_goes_back(stack: Stack) -> None:
    partner, bet = await _unanswered(stack, 1.5)
    await partner.release()
    await in_state(partner, bet, "refunded")
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (RETURN, "10.00")]
    assert (await until(lambda: partner.pay_in(bet))).outcome == (6, "already_refunded")
    assert (await until(lambda: partner.pay_out(bet))).outcome == (6, "already_refunded")
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (RETURN, "10.00")]


@pytest.mark.edge_case(77)
async def test_a_stake_with_an_answered_pay_in_stays(stack: Stack) -> None:
    # Long enough for a repeat of the PayIn on a busy machine.
    partner, bet = await _unanswered(stack, 10)
    repeating = asyncio.create_task(until(lambda: partner.pay_in(bet)))
    await partner.release()
    assert (await repeating).outcome == DONE

    async def timers() -> list[int]:
        history = await partner.workflow(bet).fetch_history()
        return [event.event_type for event in history.events if "TIMER" in EventType.Name(event.event_type)]

    # The time to hear of it is over; the bet now waits for its next timer, settle_within.
    started = EventType.EVENT_TYPE_TIMER_STARTED
    await holds(timers, lambda found: found == [started, EventType.EVENT_TYPE_TIMER_FIRED, started])
    assert await partner.journal(bet) == [(DEBIT, "10.00")]
    assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
    assert await partner.journal(bet) == [(DEBIT, "10.00"), (CREDIT, "25.00")]
