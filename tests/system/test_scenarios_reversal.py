"""Edge cases 20, 36, 46 and 47: what a Refund takes back of a settled bet, in one step or in two."""

from collections.abc import Awaitable, Callable

import pytest

from tests.partner import Answer, Stack, TestPartner, eventually, until
from tests.system.scenarios import (
    BACK,
    CLAW_BACK,
    CREDIT,
    DEBIT,
    DONE,
    HASTY,
    NO_LIST,
    QUICK,
    REFUNDED_ALREADY,
    RETURN,
    SETTLED,
    SHORT_LIVED,
    SLOW,
    UNKNOWN,
    Journal,
    bet_with_stake_taken,
    fault,
    in_parallel,
    journal_becomes,
    pay_in_out_with_unknown_outcome,
    side_by_side,
)
from tests.system.test_ops import Ops
from tests.watch import has_status, holds, in_state, movement, status

TAKEN: Journal = [*SETTLED, (CLAW_BACK, "25.00")]


async def _in_one_step(partner: TestPartner, stake: str, win: str) -> str:
    return await bet_with_stake_taken(partner, lambda bet: partner.pay_in_out(bet, stake, win))


async def _in_two_steps(partner: TestPartner, stake: str, win: str) -> str:
    bet = await bet_with_stake_taken(partner, lambda bet: partner.pay_in(bet, stake))
    assert (await until(lambda: partner.pay_out(bet, win))).outcome == DONE
    return bet


Play = Callable[[TestPartner, str, str], Awaitable[str]]
STEPS = [_in_one_step, _in_two_steps]


async def _settled(
    stack: Stack, play: Play, *, stake: str = "10.00", win: str = "25.00", casino: str = QUICK
) -> tuple[TestPartner, str]:
    """Return a settled bet of a partner whose provider may refund it, and has a short deadline."""
    partner = await stack.partner(provider=f"{{{HASTY}, refund_after_pay_out: reverse}}", casino=casino)
    return partner, await play(partner, stake, win)


async def _refunded_in_vain(partner: TestPartner, bet: str) -> None:
    """Refund, as often as it takes until the reversal is on its way: a short deadline may pass before it is."""
    query = "SELECT reversal_id FROM reversal WHERE bet_id = :b"

    async def on_its_way() -> bool:
        assert (await partner.refund(bet)).outcome == UNKNOWN
        return bool(await partner.sql(query, b=(await partner.row(bet)).bet_id))

    await eventually(on_its_way)


async def _opened_again(partner: TestPartner, play: Play, bet: str) -> Answer:
    return await (partner.pay_in_out(bet) if play is _in_one_step else partner.pay_in(bet))


@pytest.mark.edge_case(20, 46, 7)
@side_by_side(play=STEPS)
async def test_refunds_of_a_settled_bet_reverse_it_once(stack: Stack, play: Play) -> None:
    partner, bet = await _settled(stack, play)
    answers = await in_parallel(20, lambda: until(lambda: partner.refund(bet)))
    assert answers == [await partner.refund(bet)] * 20
    assert (answers[0].outcome, answers[0].body["balance"]) == (DONE, 1000)
    assert await partner.sent(bet) == [DEBIT, CREDIT, CLAW_BACK, RETURN]
    assert await partner.journal(bet) == BACK
    row = await partner.row(bet)
    assert (row.state, row.reversed_by is not None) == ("settled", True)
    assert (await _opened_again(partner, play, bet)).outcome == DONE
    if play is _in_two_steps:
        assert (await partner.pay_out(bet)).outcome == REFUNDED_ALREADY
    assert await partner.journal(bet) == BACK


@pytest.mark.edge_case(20, 46)
@side_by_side(play=STEPS, stake=["10.00", "0.00"], win=["25.00", "0.00"])
async def test_a_win_of_nothing_is_not_taken_back(stack: Stack, play: Play, stake: str, win: str) -> None:
    journal = [(DEBIT, stake), (CREDIT, win), *([(CLAW_BACK, win)] if win == "25.00" else []), (RETURN, stake)]
    partner, bet = await _settled(stack, play, stake=stake, win=win)
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    assert (await partner.refund(bet)).outcome == DONE
    assert await partner.journal(bet) == journal


@pytest.mark.edge_case(46)
@side_by_side(play=STEPS)
async def test_a_closed_bet_is_opened_for_its_reversal(stack: Stack, play: Play) -> None:
    partner, bet = await _settled(stack, play, casino="{retry: {first: 0.1, cap: 0.3}, send: {close: true}}")

    async def paths() -> list[str]:
        return [call["path"].rpartition("/")[2] for call in await partner.calls() if "payments" in call["path"]]

    await holds(paths, lambda found: found == ["make", "make", "close"])
    # Opening it again takes some time.
    await partner.faults({"kind": "error", "path": "/payments/close", "times": 3})
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    await holds(paths, lambda found: found == ["make", "make", *["close"] * 5, "make", "make", "close"])
    assert await partner.journal(bet) == BACK


@pytest.mark.edge_case(46, 47)
@side_by_side(play=STEPS)
async def test_a_win_that_the_player_has_spent_stays(stack: Stack, play: Play) -> None:
    partner, bet = await _settled(stack, play)
    await partner.seat(balance="24.99")
    refused = (7, "casino_refused")
    assert {answer.outcome for answer in await in_parallel(5, lambda: until(lambda: partner.refund(bet)))} == {refused}
    await partner.seat(balance="1000.00")
    assert (await partner.refund(bet)).outcome == refused
    assert (await _opened_again(partner, play, bet)).outcome == DONE
    assert await partner.incidents(bet) == ["reversal_refused"]
    assert await partner.sent(bet) == [DEBIT, CREDIT, CLAW_BACK]
    assert await partner.journal(bet) == SETTLED
    row = await partner.row(bet)
    assert (row.state, row.reversed_by) == ("settled", None)


@pytest.mark.edge_case(46)
@side_by_side(play=STEPS, times=[1, 4])
async def test_a_claw_back_whose_answer_is_lost_is_made_once(stack: Stack, play: Play, times: int) -> None:
    partner, bet = await _settled(stack, play)
    await partner.faults(fault("lost", CLAW_BACK, times))
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    assert (await partner.sent(bet))[2:] == [*[CLAW_BACK] * (times + 1), RETURN]
    assert await partner.journal(bet) == BACK


@pytest.mark.edge_case(46, 47, 79)
@side_by_side(first=["lost", "drop"])
async def test_a_refused_repeat_of_a_claw_back_is_not_believed(stack: Stack, first: str) -> None:
    """payments/info shows whether the first send took the win; only then another refusal can be true."""
    partner, bet = await _settled(stack, _in_one_step, casino=SHORT_LIVED)
    await partner.faults(fault(first, CLAW_BACK, 1), fault("error_code", CLAW_BACK, error_code=103802))
    await _refunded_in_vain(partner, bet)
    await holds(lambda: partner.sent(bet), lambda found: found.count(CLAW_BACK) > 1)
    assert (await until(lambda: partner.refund(bet))).outcome == (DONE if first == "lost" else (7, "casino_refused"))
    assert await partner.incidents(bet) == ([] if first == "lost" else ["reversal_refused"])
    assert await partner.journal(bet) == (BACK if first == "lost" else SETTLED)


@pytest.mark.edge_case(46)
@side_by_side(again=[True, False])
async def test_a_claw_back_that_never_arrives_is_sent_in_another_window(stack: Stack, again: bool) -> None:
    partner, bet = await _settled(stack, _in_one_step, casino=SHORT_LIVED)
    await partner.faults(fault("drop", CLAW_BACK))
    await _refunded_in_vain(partner, bet)
    first = (await movement(partner, bet, CLAW_BACK)).not_after
    await holds(lambda: movement(partner, bet, CLAW_BACK), lambda found: found.not_after > first)
    assert await partner.journal(bet) == SETTLED
    await partner.faults()
    if again:
        assert (await until(lambda: partner.refund(bet))).outcome == DONE
    await journal_becomes(partner, bet, BACK)
    assert (await until(lambda: partner.refund(bet))).outcome == DONE


@pytest.mark.edge_case(36, 46)
@side_by_side(play=STEPS, kind=["error", "lost", "error_code"])
async def test_the_return_after_a_claw_back_is_never_given_up(stack: Stack, play: Play, kind: str) -> None:
    partner, bet = await _settled(stack, play)
    await partner.faults(fault(kind, RETURN, **({"error_code": 103805} if kind == "error_code" else {})), NO_LIST)
    await _refunded_in_vain(partner, bet)
    await holds(lambda: partner.sent(bet), lambda found: found.count(RETURN) > 4)
    assert (await partner.refund(bet)).outcome == UNKNOWN
    assert await partner.journal(bet) == (BACK if kind == "lost" else TAKEN)
    assert (await partner.row(bet)).reversed_by is None
    await partner.faults()
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    assert (await partner.sent(bet)).count(CLAW_BACK) == 1
    assert await partner.journal(bet) == BACK


@pytest.mark.edge_case(1, 46)
@side_by_side(told=[True, False])
async def test_the_answer_to_a_pay_in_out_stands(stack: Stack, told: bool) -> None:
    partner, bet = await pay_in_out_with_unknown_outcome(stack, SLOW, fault("hold_after", CREDIT, 1))
    await partner.release()
    await in_state(partner, bet, "settled")
    if told:
        assert (await until(lambda: partner.pay_in_out(bet))).outcome == DONE
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    said = DONE if told else REFUNDED_ALREADY
    assert [(await until(lambda: partner.pay_in_out(bet))).outcome for _ in range(2)] == [said] * 2
    assert await partner.journal(bet) == BACK


@pytest.mark.edge_case(89)
async def test_a_reversal_behind_a_close_that_fails_is_seen(stack: Stack) -> None:
    """A provider hears 99, and people see why, from the first failure on."""
    casino = "{send: {close: true}, effect_within: 0.3, retry: {first: 0.1, cap: 0.3}, breaker: {failures: 1000}}"
    partner, ops = await stack.partner(provider=HASTY, casino=casino), Ops(stack)
    await partner.faults({"kind": "error", "path": "/payments/close"})
    bet = await _in_one_step(partner, "10.00", "25.00")
    number = (await partner.row(bet)).bet_id

    async def stuck() -> list[tuple[str, str, str]]:
        lines = (await ops("stuck", "--casino", partner.casino))["stuck"]
        return [(one["status"], one["state"], one["why"]) for one in lines if one["bet_id"] == number]

    await has_status(partner, bet, "closing", True)
    await holds(stuck, lambda found: found == [("closing", "settled", "needs attention")])

    async def given_up() -> bool:
        assert (await partner.refund(bet)).outcome == UNKNOWN
        return await status(partner, bet) == ("settled", False)

    await eventually(given_up)
    await holds(stuck, lambda found: found == [("reopening", "settled, its reversal reversing", "needs attention")])
    assert (await partner.refund(bet)).outcome == UNKNOWN
    assert await partner.journal(bet) == SETTLED
    await partner.faults()
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    assert await partner.journal(bet) == BACK
    await holds(stuck, lambda found: found == [])
