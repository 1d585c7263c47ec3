"""Edge cases 42, 43 and 46: PayInOut and its Refund, and what holds of a bet of one step as of one of two."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from betcore.db.onboarding_sessions import NewSession
from tests.partner import Answer, Stack, TestPartner, until
from tests.system.scenarios import (
    BACK,
    CLAW_BACK,
    CREDIT,
    DEBIT,
    DONE,
    HASTY,
    NO_LIST,
    QUICK,
    REFUNDED,
    REFUNDED_ALREADY,
    RETURN,
    SETTLED,
    SHORT_LIVED,
    SLOW,
    STAKED,
    UNKNOWN,
    Journal,
    bet_with_stake_sent,
    bet_with_stake_taken,
    bet_with_unknown_outcome,
    bets_locked,
    calls_arrived,
    delete_workflow,
    fault,
    in_parallel,
    journal_becomes,
    pay_in_out_with_unknown_outcome,
    side_by_side,
    workflow_is_deleted,
)
from tests.watch import has_status, in_state, movement, sends, sent

Call = Callable[[TestPartner, str], Awaitable[Answer]]

DIFFERENT = (6, "different_data")
WON = Answer(200, {"currency": "EUR", "balance": 1015, "_responseCode": 1})
# One send in the fast lane; the next, in the slow lane, may take its time.
LOSING = "{attempt_timeout: 12, fast_attempts: 1, retry: {first: 0.1}}"


# Repeats and identity


@pytest.fixture(scope="module")
def stack(own_stack: Stack) -> Stack:
    """No other process writes while rows are locked."""
    return own_stack


@pytest.mark.edge_case(1, 7, 46)
@pytest.mark.parametrize(("duplicates", "again"), [("replay", DONE), ("code_104", (104, "already_processed"))])
async def test_a_repeat_is_answered_from_the_record(stack: Stack, duplicates: str, again: tuple[int, str]) -> None:
    partner = await stack.partner(provider=f"duplicates: {duplicates}")
    bet = partner.new_bet()
    assert await partner.pay_in_out(bet) == WON
    calls = await partner.calls()
    assert [(await partner.pay_in_out(bet)).outcome for _ in range(2)] == [again] * 2
    assert await partner.calls() == calls
    assert (await partner.refund(bet)).outcome == DONE
    calls = await partner.calls()
    assert [(await call(bet)).outcome for call in (partner.refund, partner.pay_in_out) * 2] == [again] * 4
    assert [call for call in await partner.calls() if call not in calls and call["path"] != "/users/data"] == []
    assert await partner.journal(bet) == BACK


@pytest.mark.edge_case(2)
@side_by_side(kind=[DEBIT, CREDIT])
async def test_a_copy_joins_the_one_in_flight(stack: Stack, kind: int) -> None:
    partner = await stack.partner(provider="duplicates: code_104", casino=SLOW)
    bet = partner.new_bet()
    await partner.faults(fault("hold_after", kind, 1))
    copies = asyncio.create_task(in_parallel(20, lambda: partner.pay_in_out(bet)))
    await partner.held()
    await calls_arrived(partner, 20)
    await partner.release()
    assert await copies == [WON] * 20
    assert await partner.sent(bet) == [DEBIT, CREDIT]
    assert await partner.journal(bet) == SETTLED


@pytest.mark.edge_case(2, 42)
@side_by_side(kind=[DEBIT, CREDIT])
async def test_what_is_in_flight_is_unknown_at_the_deadline(stack: Stack, kind: int) -> None:
    partner = await stack.partner(provider=HASTY, casino=SLOW)
    await partner.faults(fault("hold_after", kind, 1))
    bet = await bet_with_unknown_outcome(partner, partner.pay_in_out)
    for answer in await in_parallel(2, lambda: partner.pay_in_out(bet)):
        assert (answer.outcome, answer.status) == (UNKNOWN, 503)
    await partner.release()
    assert (await until(lambda: partner.pay_in_out(bet))).outcome == DONE
    assert await partner.sent(bet) == [DEBIT, CREDIT]
    assert await partner.journal(bet) == SETTLED


async def _as_another_player(partner: TestPartner, bet: str) -> Answer:
    return await partner.pay_in_out(bet, session=await partner.seat("bob"))


async def _in_another_game(partner: TestPartner, bet: str) -> Answer:
    await partner.catalogue.add_game(partner.provider, "wheel", "Wheel")
    opened = await partner.sessions.open(NewSession(partner.provider, partner.casino, "wheel", "anna", "EUR"))
    return await partner.pay_in_out(bet, session=opened["session_id"])


# Each contradicts a PayInOut of 10.00 that wins 25.00.
OTHERS: list[Call] = [
    lambda partner, bet: partner.pay_in_out(bet, "10.01"),
    lambda partner, bet: partner.pay_in_out(bet, "500.01"),
    lambda partner, bet: partner.pay_in_out(bet, win="25.01"),
    lambda partner, bet: partner.pay_in_out(bet, win="0"),
    lambda partner, bet: partner.pay_in_out(bet, round_id="round-2"),
    lambda partner, bet: partner.pay_in(bet),
    lambda partner, bet: partner.pay_out(bet),
    lambda partner, bet: partner.pay_out(bet, "26.00"),
    _as_another_player,
    _in_another_game,
]


@pytest.mark.edge_case(3, 6, 24)
@pytest.mark.parametrize("stage", ["settled", "reversed", "refused"])
async def test_other_data_changes_nothing(partner: TestPartner, stage: str) -> None:
    bet = partner.new_bet()
    if stage == "refused":
        await partner.seat(balance="9.99")
    first = await partner.pay_in_out(bet)
    if stage == "reversed":
        assert (await partner.refund(bet)).outcome == DONE
    row, calls, entries = await partner.row(bet), await partner.calls(), await partner.entries()
    assert row.state == {"reversed": "settled"}.get(stage, stage)
    for other in OTHERS:
        answer = await other(partner, bet)
        assert (answer.outcome, answer.status) == (DIFFERENT, 200)
    assert (await partner.row(bet), await partner.calls(), await partner.entries()) == (row, calls, entries)
    assert await partner.incidents(bet) == ["different_data"] * len(OTHERS)
    assert (await partner.pay_in_out(bet)).outcome == first.outcome


@pytest.mark.edge_case(3)
@side_by_side(kind=[DEBIT, CREDIT])
async def test_other_data_does_not_join_the_one_in_flight(stack: Stack, kind: int) -> None:
    partner = await stack.partner(casino=SLOW)
    bet = partner.new_bet()
    await partner.faults(fault("hold", kind, 1))
    first = asyncio.create_task(partner.pay_in_out(bet))
    await partner.held()
    assert [(await other(partner, bet)).outcome for other in OTHERS] == [DIFFERENT] * len(OTHERS)
    await partner.release()
    assert await first == WON
    assert await partner.incidents(bet) == ["different_data"] * len(OTHERS)
    assert await partner.journal(bet) == SETTLED
    assert len(await partner.entries()) == 2


@pytest.mark.edge_case(3, 24)
@pytest.mark.parametrize(("stage", "journal"), [("open", STAKED), ("settled", SETTLED), ("refunded", REFUNDED)])
async def test_a_bet_of_two_steps_is_no_bet_of_one(partner: TestPartner, stage: str, journal: Journal) -> None:
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == DONE
    if stage != "open":
        assert (await (partner.pay_out(bet) if stage == "settled" else partner.refund(bet))).outcome == DONE
    row = await partner.row(bet)
    for win in ("25.00", "0"):
        assert (await partner.pay_in_out(bet, win=win)).outcome == DIFFERENT
    assert await partner.row(bet) == row
    assert await partner.incidents(bet) == ["different_data"] * 2
    assert await partner.journal(bet) == journal


@pytest.mark.edge_case(4)
async def test_parallel_copies_are_one_debit_and_one_credit(stack: Stack) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    assert await in_parallel(100, lambda: partner.pay_in_out(bet)) == [WON] * 100
    assert await partner.sent(bet) == [DEBIT, CREDIT]
    assert len(await partner.entries()) == 2


@pytest.mark.edge_case(3, 4)
async def test_of_different_calls_at_once_one_stands(stack: Stack) -> None:
    partner = await stack.partner()
    calls: dict[str, Callable[[str], Awaitable[Answer]]]
    calls = {"won": partner.pay_in_out, "lost": partial(partner.pay_in_out, win="0"), "open": partner.pay_in}
    journals = {"won": SETTLED, "lost": [*STAKED, (CREDIT, "0.00")], "open": STAKED}

    async def race() -> None:
        bet = partner.new_bet()
        answers = await asyncio.gather(*(calls[name](bet) for name in [*calls] * 2))
        said = {(name, answer.outcome) for name, answer in zip([*calls] * 2, answers, strict=True)}
        (stands,) = {name for name, journal in journals.items() if journal == await partner.journal(bet)}
        assert said == {(name, DONE if name == stands else DIFFERENT) for name in calls}

    await asyncio.gather(*(race() for _ in range(15)))


@pytest.mark.edge_case(9)
async def test_providers_do_not_share_bet_ids(stack: Stack, partner: TestPartner) -> None:
    rival, bet = await stack.partner(), partner.new_bet()
    seat = await rival.sessions.open(NewSession(rival.provider, partner.casino, "dice", "anna", "EUR"))
    rival.session_id, rival.partner_client_id = seat["session_id"], partner.partner_client_id
    assert (await partner.pay_in_out(bet)).outcome == DONE
    assert (await rival.pay_in_out(bet, "20.00", "0", "round-9")).outcome == DONE
    assert (await partner.refund(bet)).outcome == DONE
    assert await partner.journal(bet) == BACK
    assert await rival.journal(bet) == [(DEBIT, "20.00"), (CREDIT, "0.00")]


@pytest.mark.edge_case(13, 14, 46)
async def test_the_record_outlives_the_workflow(partner: TestPartner) -> None:
    won, back, small, later = bets = [partner.new_bet() for _ in range(4)]
    first = [await partner.pay_in_out(won), await partner.pay_in_out(back), await partner.refund(back)]
    assert [answer.outcome for answer in first] == [DONE] * 3
    assert (await partner.pay_in_out(small, "0.01")).outcome == (7, "below_min_bet")
    assert (await partner.pay_in_out(later)).outcome == DONE
    rows, entries = [await partner.row(bet) for bet in bets], await partner.entries()
    await asyncio.gather(*(delete_workflow(partner, bet) for bet in bets))
    assert [await partner.pay_in_out(won), await partner.pay_in_out(back), await partner.refund(back)] == first
    assert (await partner.pay_in_out(small, "0.01")).outcome == (7, "below_min_bet")
    assert [(await other(partner, won)).outcome for other in OTHERS] == [DIFFERENT] * len(OTHERS)
    assert [await partner.row(bet) for bet in bets] == rows
    assert await partner.entries() == entries
    # A bet whose workflow is gone can still be reversed.
    assert (await partner.refund(later)).outcome == DONE
    assert await partner.journal(later) == BACK
    assert [await workflow_is_deleted(partner, bet) for bet in bets] == [True] * 4


@pytest.mark.edge_case(14, 43)
@pytest.mark.parametrize("reason", ["no_money", "player_blocked", "limit_reached"])
async def test_a_refusal_of_the_casino_stays(partner: TestPartner, reason: str) -> None:
    bet, anna = partner.new_bet(), f"/_players/{partner.partner_client_id}/anna"
    if reason == "limit_reached":
        await partner.faults(fault("error_code", DEBIT, error_code=103806))
    elif reason == "player_blocked":
        await partner.at_casino("PATCH", anna, json={"blocked": True})
    else:
        # The win would cover the stake.
        await partner.seat(balance="9.99")
    said = (4 if reason == "no_money" else 7, reason)
    assert (await partner.pay_in_out(bet, win="500.00")).outcome == said
    row = await partner.row(bet)
    await partner.faults()
    await partner.at_casino("PATCH", anna, json={"blocked": False})
    await partner.seat(balance="1000.00")
    assert (await partner.pay_in_out(partner.new_bet())).outcome == DONE
    assert (await partner.pay_in_out(bet, win="500.00")).outcome == said
    assert (await partner.refund(bet)).outcome == (6, "bet_refused")
    assert await partner.row(bet) == row
    assert await partner.sent(bet) == [DEBIT]
    assert await partner.journal(bet) == []


# Order


@pytest.mark.edge_case(15, 16)
async def test_a_refund_before_its_pay_in_out_keeps_it_out(partner: TestPartner) -> None:
    bet = partner.new_bet()
    assert [(await partner.refund(bet)).outcome for _ in range(2)] == [DONE] * 2
    row = await partner.row(bet)
    assert [(await partner.pay_in_out(bet)).outcome for _ in range(2)] == [REFUNDED_ALREADY] * 2
    assert (await partner.refund(bet)).outcome == DONE
    assert await partner.row(bet) == row
    assert await partner.calls() == []


async def _is_off(partner: TestPartner, bet: str, refund: Answer, pay_in_out: Answer) -> int:
    """Check what must hold after PayInOut and Refund in either order, and return the number of movements."""
    row, journal = await partner.row(bet), await partner.journal(bet)
    assert refund.outcome == DONE
    assert journal == {0: [], 2: REFUNDED, 4: BACK}[len(journal)]
    assert (row.state, row.reversed_by is not None) == (("settled", True) if journal == BACK else ("refunded", False))
    assert pay_in_out.outcome in (DONE, REFUNDED_ALREADY)
    # Only a settled bet is answered "done", and keeps that answer.
    assert (row.told_at is not None) == (pay_in_out.outcome == DONE)
    assert journal == BACK or pay_in_out.outcome == REFUNDED_ALREADY
    assert (await partner.pay_in_out(bet)).outcome == pay_in_out.outcome
    assert (await partner.refund(bet)).outcome == DONE
    assert await partner.journal(bet) == journal
    return len(journal)


@pytest.mark.edge_case(15, 16, 17, 46)
async def test_refund_and_pay_in_out_at_the_same_moment(stack: Stack) -> None:
    partner = await stack.partner()

    async def race(turn: int) -> None:
        bet = partner.new_bet()
        calls = [until(partial(partner.pay_in_out, bet)), until(partial(partner.refund, bet))]
        answers = await asyncio.gather(*(calls if turn % 2 else reversed(calls)))
        pay_in_out, refund = answers if turn % 2 else reversed(answers)
        await _is_off(partner, bet, refund, pay_in_out)

    await asyncio.gather(*(race(turn) for turn in range(30)))


@pytest.mark.edge_case(15, 16)
async def test_a_tombstone_and_a_bet_meet_at_the_row(stack: Stack) -> None:
    partner = await stack.partner()
    moved = set()
    for _ in range(6):
        bet = partner.new_bet()
        async with bets_locked(partner) as waiting:
            refund = asyncio.create_task(until(partial(partner.refund, bet)))
            await waiting(1)
            pay_in_out = asyncio.create_task(until(partial(partner.pay_in_out, bet)))
            await waiting(2)
        moved.add(await _is_off(partner, bet, await refund, await pay_in_out))
    # The Refund has waited longer: it is not always the second.
    assert 0 in moved


@pytest.mark.edge_case(17, 26)
@side_by_side(again=[True, False])
async def test_a_refund_while_the_debit_is_unknown_returns_the_stake(stack: Stack, again: bool) -> None:
    partner = await stack.partner(provider=HASTY, casino=LOSING)
    await partner.faults(fault("lost", DEBIT, 1), fault("hold", DEBIT, 1))
    bet, pay_in_out = await bet_with_stake_sent(partner, partner.pay_in_out)
    await partner.held()
    assert (await partner.refund(bet)).outcome == UNKNOWN
    assert (await pay_in_out).outcome == UNKNOWN
    assert await partner.journal(bet) == STAKED
    await partner.release()
    if again:
        assert (await until(lambda: partner.refund(bet))).outcome == DONE
    await in_state(partner, bet, "refunded")
    assert (await partner.pay_in_out(bet)).outcome == REFUNDED_ALREADY
    assert (await partner.refund(bet)).outcome == DONE
    assert await partner.sent(bet) == [DEBIT, DEBIT, RETURN]
    assert await partner.journal(bet) == REFUNDED


@pytest.mark.edge_case(17)
@side_by_side(lane=["fast", "slow"])
async def test_a_refund_that_waits_for_the_debit(stack: Stack, lane: str) -> None:
    partner = await stack.partner(casino=LOSING)
    bet = partner.new_bet()
    await partner.faults(*([fault("lost", DEBIT, 1)] if lane == "slow" else []), fault("hold", DEBIT, 1))
    pay_in_out = asyncio.create_task(partner.pay_in_out(bet))
    await partner.held()
    refund = asyncio.create_task(partner.refund(bet))
    await calls_arrived(partner, 2)
    await partner.release()
    moved = await _is_off(partner, bet, await refund, await pay_in_out)
    # In the slow lane the Refund gets through to the bet before the win is sent.
    assert moved == 2 or lane == "fast"


@pytest.mark.edge_case(17)
async def test_nothing_follows_a_debit_that_is_refused(stack: Stack) -> None:
    partner = await stack.partner(casino=SLOW)
    bet = partner.new_bet()
    await partner.seat(balance="9.99")
    await partner.faults(fault("hold", DEBIT, 1))
    pay_in_out = asyncio.create_task(partner.pay_in_out(bet))
    await partner.held()
    refund = asyncio.create_task(partner.refund(bet))
    await calls_arrived(partner, 2)
    await partner.release()
    assert ((await pay_in_out).outcome, (await refund).outcome) == ((4, "no_money"), (6, "bet_refused"))
    assert await partner.sent(bet) == [DEBIT]
    assert await partner.journal(bet) == []


# The casino's wallet


@pytest.mark.edge_case(26, 42)
@side_by_side(kind=[DEBIT, CREDIT], times=[1, 4])
async def test_a_leg_whose_answer_is_lost_is_made_once(stack: Stack, kind: int, times: int) -> None:
    partner = await stack.partner(provider=HASTY, casino=QUICK)
    await partner.faults(fault("lost", kind, times), NO_LIST)
    bet = await bet_with_stake_taken(partner, partner.pay_in_out)
    assert (await partner.sent(bet)).count(kind) == times + 1
    assert await partner.journal(bet) == SETTLED


@pytest.mark.edge_case(26)
async def test_a_debit_that_never_arrived_pays_no_win(stack: Stack) -> None:
    partner, bet = await pay_in_out_with_unknown_outcome(stack, SHORT_LIVED, fault("drop", DEBIT))
    assert (await until(lambda: partner.pay_in_out(bet))).outcome == (7, "casino_unavailable")
    assert (await partner.refund(bet)).outcome == (6, "bet_refused")
    assert set(await partner.sent(bet)) == {DEBIT}
    assert await partner.journal(bet) == []


@pytest.mark.edge_case(33, 42)
@side_by_side(kind=["lost", "error"])
async def test_a_win_that_is_owed_is_paid_in_the_end(stack: Stack, kind: str) -> None:
    partner, bet = await pay_in_out_with_unknown_outcome(stack, QUICK, fault(kind, CREDIT), NO_LIST)
    await has_status(partner, bet, "owed", True)
    await sent(partner, bet, 6)
    assert (await partner.pay_in_out(bet)).outcome == UNKNOWN
    await partner.faults()
    assert (await until(lambda: partner.pay_in_out(bet))).outcome == DONE
    assert {call["amount"] for call in await sends(partner, bet) if call["transaction_type"] == CREDIT} == {"25.00"}
    assert await partner.journal(bet) == SETTLED
    await has_status(partner, bet, "settled", False)


@pytest.mark.edge_case(42, 46)
@side_by_side(kind=["lost", "error"], again=[True, False])
async def test_a_refund_while_the_win_is_owed_follows_it(stack: Stack, kind: str, again: bool) -> None:
    partner, bet = await pay_in_out_with_unknown_outcome(stack, QUICK, fault(kind, CREDIT), NO_LIST)
    assert (await partner.refund(bet)).outcome == UNKNOWN
    await sent(partner, bet, 5)
    assert await partner.journal(bet) == (SETTLED if kind == "lost" else STAKED)
    assert set(await partner.sent(bet)) == {DEBIT, CREDIT}
    await partner.faults()
    if again:
        assert (await until(lambda: partner.refund(bet))).outcome == DONE
    await journal_becomes(partner, bet, BACK)
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    assert (await partner.pay_in_out(bet)).outcome == REFUNDED_ALREADY
    assert (await partner.row(bet)).told_at is None
    assert (await partner.sent(bet))[-3:] == [CREDIT, CLAW_BACK, RETURN]


@pytest.mark.edge_case(34, 46)
@side_by_side(refunded=["before", "after"])
async def test_nothing_moves_while_the_win_is_parked(stack: Stack, refunded: str) -> None:
    parking = fault("error_code", CREDIT, error_code=103805)
    first = fault("error", CREDIT) if refunded == "before" else parking
    partner, bet = await pay_in_out_with_unknown_outcome(stack, QUICK, first)
    if refunded == "before":
        assert (await partner.refund(bet)).outcome == UNKNOWN
        await partner.faults(parking)
    await has_status(partner, bet, "parked", True)
    assert await partner.incidents(bet) == ["parked"]
    await partner.faults()
    calls = await partner.sent(bet)
    assert [(await call(bet)).outcome for call in (partner.pay_in_out, partner.refund) * 2] == [UNKNOWN] * 4
    assert await partner.sent(bet) == calls
    assert await partner.journal(bet) == STAKED
    assert (await movement(partner, bet, CREDIT)).state == "parked"
    assert (await partner.row(bet)).state == "settling"


# Players, limits, amounts


@pytest.mark.edge_case(52, 54, 56, 78)
@pytest.mark.parametrize("change", ["session ended", "blocked by us", "blocked at the casino", "limit", "money"])
async def test_what_changes_is_for_new_stakes_only(partner: TestPartner, change: str) -> None:
    told, back = partner.new_bet(), partner.new_bet()
    first = await partner.pay_in_out(told)
    assert (first.outcome, (await partner.pay_in_out(back)).outcome) == (DONE, DONE)
    amount, refused = "10.00", (7, "player_blocked")
    match change:
        case "session ended":
            await partner.sessions.close(partner.session_id)
            refused = (3, "session_ended")
        case "blocked by us":
            await partner.sessions.block(partner.casino, "anna", blocked=True)
        case "blocked at the casino":
            path = f"/_players/{partner.partner_client_id}/anna"
            await partner.at_casino("PATCH", path, json={"blocked": True})
        case "limit":
            amount, refused = "500.01", (7, "above_max_bet")
        case _:
            amount, refused = "0.09", (7, "below_min_bet")
    new = partner.new_bet()
    calls = [] if change == "blocked at the casino" else await partner.calls()
    assert [(await partner.pay_in_out(new, amount)).outcome for _ in range(2)] == [refused] * 2
    assert await partner.pay_in_out(told) == first
    assert calls in ([], await partner.calls())
    assert (await partner.refund(back)).outcome == DONE
    assert await partner.journal(new) == []
    assert await partner.journal(told) == SETTLED
    assert await partner.journal(back) == BACK


@pytest.mark.edge_case(52)
@pytest.mark.parametrize("whose", ["unknown", "of another provider", "demo"])
async def test_a_session_that_is_not_the_providers_is_refused(stack: Stack, partner: TestPartner, whose: str) -> None:
    session, bet = "no-such-session", partner.new_bet()
    if whose != "unknown":
        session = await (partner.seat("demetra", mode="demo") if whose == "demo" else (await stack.partner()).seat())
    reason = "session_demo" if whose == "demo" else "session_unknown"
    assert (await partner.pay_in_out(bet, session=session)).outcome == (3, reason)
    assert await partner.row(bet) is None
    assert await partner.calls() == []


@pytest.mark.edge_case(60)
@pytest.mark.parametrize(("stake", "win"), [("10.001", "25.00"), ("10.00", "25.001"), ("10.000", "25.00")])
async def test_more_decimals_than_the_currency_has_are_refused(partner: TestPartner, stake: str, win: str) -> None:
    bet = partner.new_bet()
    answer = await partner.pay_in_out(bet, stake, win)
    assert (answer.outcome, answer.status) == ((2, "malformed"), 400)
    assert await partner.row(bet) is None
    assert await partner.calls() == []
