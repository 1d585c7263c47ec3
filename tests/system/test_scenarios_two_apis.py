"""Two API processes on one stack: both give the same answers, whichever of them a call reaches."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from tests.partner import Answer, Stack, TestPartner, until
from tests.system.scenarios import (
    BACK,
    DONE,
    REFUNDED,
    SETTLED,
    STAKED,
    Journal,
    Outcome,
    bet_with_unknown_outcome,
    bets_locked,
    calls_arrived,
    row_locked,
    through_api,
)
from tests.watch import in_state

Call = Callable[[TestPartner, str], Coroutine[Any, Any, Answer]]

OFF, DIFFERENT = (6, "already_refunded"), (6, "different_data")
ROUNDS = 20


@pytest.fixture(scope="module")
def stack(own_stack: Stack) -> Stack:
    """The stack on which the second API runs."""
    return own_stack


@pytest.fixture
async def both(stack: Stack, second_api: str) -> tuple[TestPartner, TestPartner]:
    """One partner, reached through each of two processes."""
    here = await stack.partner()
    return here, through_api(here, second_api)


async def _rounds(
    both: tuple[TestPartner, TestPartner], play: Callable[[TestPartner, TestPartner, str], Awaitable[None]]
) -> None:
    """Play ``ROUNDS`` bets at the same time, every other one with the two processes exchanged."""
    turns = [both if turn % 2 else both[::-1] for turn in range(ROUNDS)]
    await asyncio.gather(*(play(*turn, TestPartner.new_bet()) for turn in turns))


async def _at_once(*calls: Awaitable[Answer]) -> list[Outcome]:
    return [answer.outcome for answer in await asyncio.gather(*calls)]


async def _same_for_both(both: tuple[TestPartner, TestPartner], bet: str, said: dict[Call, Outcome]) -> None:
    """Check that both processes repeat the first answer."""
    for call, expected in said.items():
        assert [(await call(partner, bet)).outcome for partner in both] == [expected] * 2


@pytest.mark.edge_case(2, 4)
@pytest.mark.parametrize(
    ("call", "journal"), [(TestPartner.pay_in, STAKED), (TestPartner.pay_in_out, SETTLED)], ids=["pay_in", "pay_in_out"]
)
async def test_copies_at_both_are_one_bet(both: tuple[TestPartner, TestPartner], call: Call, journal: Journal) -> None:
    bet = TestPartner.new_bet()
    answers = await asyncio.gather(*(call(partner, bet) for partner in both * 30))
    assert answers == [answers[0]] * 60
    assert answers[0].outcome == DONE
    assert await both[0].sent(bet) == [kind for kind, _ in journal]
    assert len(await both[0].entries()) == len(journal)


@pytest.mark.edge_case(1, 2)
@pytest.mark.parametrize("call", [TestPartner.pay_in, TestPartner.pay_in_out], ids=["pay_in", "pay_in_out"])
async def test_a_call_and_its_repeat_at_the_same_moment(both: tuple[TestPartner, TestPartner], call: Call) -> None:
    async def play(here: TestPartner, there: TestPartner, bet: str) -> None:
        assert await _at_once(call(here, bet), call(there, bet)) == [DONE] * 2
        assert await here.journal(bet) == (STAKED if call is TestPartner.pay_in else SETTLED)

    await _rounds(both, play)
    assert len(await both[0].entries()) == ROUNDS * (1 if call is TestPartner.pay_in else 2)


@pytest.mark.edge_case(3)
async def test_different_calls_at_the_same_moment(both: tuple[TestPartner, TestPartner]) -> None:
    async def play(here: TestPartner, there: TestPartner, bet: str) -> None:
        said = await _at_once(here.pay_in(bet), there.pay_in_out(bet))
        stands = {(DONE, DIFFERENT): STAKED, (DIFFERENT, DONE): SETTLED}
        assert await here.journal(bet) == stands[said[0], said[1]]
        assert await here.incidents(bet) == ["different_data"]

    await _rounds(both, play)


@pytest.mark.edge_case(15, 16, 17, 46)
@pytest.mark.parametrize("call", [TestPartner.pay_in, TestPartner.pay_in_out], ids=["pay_in", "pay_in_out"])
async def test_a_stake_and_its_refund_at_the_same_moment(both: tuple[TestPartner, TestPartner], call: Call) -> None:
    taken_back = REFUNDED if call is TestPartner.pay_in else BACK

    async def play(here: TestPartner, there: TestPartner, bet: str) -> None:
        opened, refunded = await _at_once(until(partial(call, here, bet)), until(partial(there.refund, bet)))
        journal, row = await here.journal(bet), await here.row(bet)
        assert journal in ([], REFUNDED, taken_back)
        assert refunded == DONE
        assert opened in (DONE, OFF)
        assert (row.told_at is not None) == (opened == DONE)
        # Who hears "done" of a bet has a bet that stood.
        assert opened == OFF or journal == taken_back
        await _same_for_both((here, there), bet, {call: opened, TestPartner.refund: DONE})
        assert await here.journal(bet) == journal

    await _rounds(both, play)


@asynccontextmanager
async def _opened(both: tuple[TestPartner, TestPartner], bet: str, call: Call, early: Call) -> AsyncIterator[None]:
    """Let both calls wait for the row inside this block, ``early`` longer."""
    here, there = both
    async with bets_locked(here) as waiting:
        first = asyncio.create_task(until(partial(early, here, bet)))
        await waiting(1)
        second = asyncio.create_task(until(partial(call, there, bet)))
        await waiting(2)
        yield
    await asyncio.gather(first, second)


@pytest.mark.edge_case(15, 16)
@pytest.mark.parametrize("call", [TestPartner.pay_in, TestPartner.pay_in_out], ids=["pay_in", "pay_in_out"])
async def test_a_tombstone_of_one_process_and_a_bet_of_the_other_meet_at_the_row(
    both: tuple[TestPartner, TestPartner], call: Call
) -> None:
    here, there = both
    for _ in range(4):
        bet = TestPartner.new_bet()
        async with _opened(both, bet, call, TestPartner.refund):
            pass
        opened, journal = (await call(there, bet)).outcome, await here.journal(bet)
        assert (await here.refund(bet)).outcome == DONE
        assert opened in (DONE, OFF)
        assert journal in ([], REFUNDED, BACK)
        assert opened == OFF or journal != []


@pytest.mark.edge_case(20, 21, 22)
async def test_pay_out_and_refund_at_the_same_moment(both: tuple[TestPartner, TestPartner]) -> None:
    async def play(here: TestPartner, there: TestPartner, bet: str) -> None:
        assert (await here.pay_in(bet)).outcome == DONE
        paid, refunded = await _at_once(until(partial(here.pay_out, bet)), until(partial(there.refund, bet)))
        outcomes = {(DONE, (6, "already_settled")): SETTLED, (OFF, DONE): REFUNDED}
        assert await here.journal(bet) == outcomes[paid, refunded]
        await _same_for_both(
            (here, there), bet, {TestPartner.pay_out: paid, TestPartner.refund: refunded, TestPartner.pay_in: DONE}
        )

    await _rounds(both, play)


@pytest.mark.edge_case(5, 7, 46)
@pytest.mark.parametrize("call", [TestPartner.pay_out, TestPartner.refund], ids=["pay_out", "refund"])
async def test_copies_of_a_resolution_at_both_move_money_once(
    both: tuple[TestPartner, TestPartner], call: Call
) -> None:
    async def play(here: TestPartner, there: TestPartner, bet: str) -> None:
        assert (await here.pay_in(bet)).outcome == DONE
        assert set(await _at_once(*(until(partial(call, partner, bet)) for partner in (here, there) * 2))) == {DONE}
        assert await here.journal(bet) == (SETTLED if call is TestPartner.pay_out else REFUNDED)

    await _rounds(both, play)


@pytest.mark.edge_case(46)
async def test_refunds_at_both_reverse_a_bet_once(both: tuple[TestPartner, TestPartner]) -> None:
    async def play(here: TestPartner, there: TestPartner, bet: str) -> None:
        assert (await here.pay_in_out(bet)).outcome == DONE
        assert set(await _at_once(*(until(partial(partner.refund, bet)) for partner in (here, there) * 2))) == {DONE}
        assert await here.journal(bet) == BACK
        await _same_for_both((here, there), bet, {TestPartner.refund: DONE, TestPartner.pay_in_out: DONE})

    await _rounds(both, play)
    assert len(await both[0].entries()) == 4 * ROUNDS


async def _unanswered(both: tuple[TestPartner, TestPartner], call: Call, kind: int) -> list[str]:
    """Return bets whose stake, or win, is at the casino before any answer; the casino answers at ``release``."""
    here = both[0]
    await here.faults({"kind": "hold_after", "transaction_type": kind, "times": ROUNDS})
    return await asyncio.gather(*(bet_with_unknown_outcome(here, partial(call, here)) for _ in range(ROUNDS)))


@pytest.mark.edge_case(1, 46)
async def test_one_step_is_not_answered_both_done_and_taken_back(stack: Stack, second_api: str) -> None:
    here = await stack.partner(provider="answer_deadline: 2.5", casino="{attempt_timeout: 12, fast_attempts: 1}")
    both = here, through_api(here, second_api)
    bets = await _unanswered(both, TestPartner.pay_in_out, 1)
    await here.release()
    for bet in bets:
        await in_state(here, bet, "settled")

    async def play(first: TestPartner, second: TestPartner, bet: str) -> None:
        repeats = [until(partial(partner.pay_in_out, bet)) for partner in (first, second)]
        *said, refunded = await _at_once(*repeats, until(partial(second.refund, bet)))
        told = (await here.row(bet)).told_at is not None
        assert refunded == DONE
        assert set(said) <= {DONE, OFF}
        # One answer "done" makes all later ones "done"; without one all are refused.
        assert told == (DONE in said)
        await _same_for_both(both, bet, {TestPartner.pay_in_out: DONE if told else OFF})
        assert await here.journal(bet) == BACK

    await asyncio.gather(*(play(*(both if turn % 2 else both[::-1]), bet) for turn, bet in enumerate(bets)))


@pytest.mark.edge_case(1, 46)
@pytest.mark.parametrize("first", ["told", "taken back"])
async def test_telling_and_taking_back_meet_at_the_row(stack: Stack, second_api: str, first: str) -> None:
    here = await stack.partner(provider="answer_deadline: 6", casino="{attempt_timeout: 12, fast_attempts: 1}")
    there = through_api(here, second_api)
    bets = await _unanswered((here, there), TestPartner.pay_in_out, 1)
    await here.release()
    for bet in bets:
        await in_state(here, bet, "settled")
    bet = bets[0]
    calls = [until(partial(here.pay_in_out, bet)), until(partial(there.refund, bet))]
    async with row_locked(here, bet) as waiting:
        tasks = []
        for turn, call in enumerate(calls if first == "told" else reversed(calls)):
            tasks.append(asyncio.create_task(call))
            await waiting(turn + 1)
    said = [(await task).outcome for task in tasks]
    opened, refunded = said if first == "told" else reversed(said)
    assert (opened, refunded) == (DONE if first == "told" else OFF, DONE)
    await _same_for_both((here, there), bet, {TestPartner.pay_in_out: opened, TestPartner.refund: DONE})
    assert await here.journal(bet) == BACK


@pytest.mark.edge_case(77, 1)
async def test_two_steps_are_not_answered_both_done_and_taken_back(stack: Stack, second_api: str) -> None:
    """Repeats at both processes around the moment at which an unconfirmed stake goes back; which of them wins is a
    matter of chance here, and forced elsewhere."""
    here = await stack.partner(
        provider="{answer_deadline: 2.5, unconfirmed_within: 0.5}", casino="{attempt_timeout: 12, fast_attempts: 1}"
    )
    both = here, through_api(here, second_api)
    bets = await _unanswered(both, TestPartner.pay_in, -1)
    await here.release()

    async def play(turn: int, bet: str) -> None:
        await in_state(here, bet, "acceptance", "refunding", "refunded")
        # From well before that moment to well after it.
        await asyncio.sleep(0.06 * turn)
        said = set(await _at_once(*(until(partial(partner.pay_in, bet)) for partner in both)))
        assert said in ({DONE}, {OFF})
        await _same_for_both(both, bet, {TestPartner.pay_in: next(iter(said))})
        if said == {OFF}:
            await in_state(here, bet, "refunded")
        else:
            assert (await until(partial(both[turn % 2].pay_out, bet))).outcome == DONE
        assert await here.journal(bet) == (SETTLED if said == {DONE} else REFUNDED)

    await asyncio.gather(*(play(turn, bet) for turn, bet in enumerate(bets)))


@pytest.mark.edge_case(17)
@pytest.mark.parametrize("call", [TestPartner.pay_in, TestPartner.pay_in_out], ids=["pay_in", "pay_in_out"])
async def test_a_refund_at_one_of_a_stake_in_flight_at_the_other(stack: Stack, second_api: str, call: Call) -> None:
    here = await stack.partner(casino="{attempt_timeout: 12, fast_attempts: 1, retry: {first: 0.1}}")
    there, bet = through_api(here, second_api), TestPartner.new_bet()
    made = {"path": "/payments/make", "transaction_type": -1, "times": 1}
    await here.faults({"kind": "lost", **made}, {"kind": "hold", **made})
    opening = asyncio.create_task(call(here, bet))
    await here.held()
    refunding = asyncio.create_task(there.refund(bet))
    await calls_arrived(here, 2)
    await here.release()
    opened, refunded = (await opening).outcome, (await refunding).outcome
    assert refunded == DONE
    assert opened in ((DONE, OFF) if call is TestPartner.pay_in else (OFF,))
    assert await here.journal(bet) == REFUNDED
    await _same_for_both((here, there), bet, {call: opened, TestPartner.refund: DONE})
