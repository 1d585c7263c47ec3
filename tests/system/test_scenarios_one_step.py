"""Edge cases 42, 43 and 46: PayInOut and its Refund, and what holds of a bet of one step as of one of two."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

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
    arrived,
    fault,
    forget,
    forgotten,
    in_parallel,
    journal_is,
    left_unknown,
    no_writes,
    side_by_side,
    taken,
    undecided,
    under_way,
)
from tests.table import Answer, Stack, Table, until
from tests.watch import has_status, in_state, movement, sends, sent

Call = Callable[[Table, str], Awaitable[Answer]]

DIFFERENT = (6, "different_data")
WON = Answer(200, {"currency": "EUR", "balance": 1015, "_responseCode": 1})
# One send in the fast lane; the next, in the slow lane, may take its time.
LOSING = "{attempt_timeout: 12, fast_attempts: 1, retry: {first: 0.1}}"


# Repeats and identity


@pytest.mark.edge_case(1, 7, 46)
@pytest.mark.parametrize(("duplicates", "again"), [("replay", DONE), ("code_104", (104, "already_processed"))])
async def test_a_repeat_is_answered_from_the_record(stack: Stack, duplicates: str, again: tuple[int, str]) -> None:
    table = await stack.table(provider=f"duplicates: {duplicates}")
    bet = table.new_bet()
    assert await table.pay_in_out(bet) == WON
    calls = await table.calls()
    assert [(await table.pay_in_out(bet)).said for _ in range(2)] == [again] * 2
    assert await table.calls() == calls
    assert (await table.refund(bet)).said == DONE
    calls = await table.calls()
    assert [(await call(bet)).said for call in (table.refund, table.pay_in_out) * 2] == [again] * 4
    assert [call for call in await table.calls() if call not in calls and call["path"] != "/users/data"] == []
    assert await table.journal(bet) == BACK


@pytest.mark.edge_case(2)
@side_by_side(kind=[DEBIT, CREDIT])
async def test_a_copy_joins_the_one_in_flight(stack: Stack, kind: int) -> None:
    table = await stack.table(provider="duplicates: code_104", casino=SLOW)
    bet = table.new_bet()
    await table.faults(fault("hold_after", kind, 1))
    copies = asyncio.create_task(in_parallel(20, lambda: table.pay_in_out(bet)))
    await table.held()
    await arrived(table, 20)
    await table.release()
    assert await copies == [WON] * 20
    assert await table.sent(bet) == [DEBIT, CREDIT]
    assert await table.journal(bet) == SETTLED


@pytest.mark.edge_case(2, 42)
@side_by_side(kind=[DEBIT, CREDIT])
async def test_what_is_in_flight_is_unknown_at_the_deadline(stack: Stack, kind: int) -> None:
    table = await stack.table(provider=HASTY, casino=SLOW)
    await table.faults(fault("hold_after", kind, 1))
    bet = await undecided(table, table.pay_in_out)
    for answer in await in_parallel(2, lambda: table.pay_in_out(bet)):
        assert (answer.said, answer.status) == (UNKNOWN, 503)
    await table.release()
    assert (await until(lambda: table.pay_in_out(bet))).said == DONE
    assert await table.sent(bet) == [DEBIT, CREDIT]
    assert await table.journal(bet) == SETTLED


async def _as_another_player(table: Table, bet: str) -> Answer:
    return await table.pay_in_out(bet, session=await table.seat("bob"))


async def _in_another_game(table: Table, bet: str) -> Answer:
    await table.catalogue.add_game(table.provider, "wheel", "Wheel")
    opened = await table.catalogue.open_session(table.provider, table.casino, "wheel", "anna", "EUR")
    return await table.pay_in_out(bet, session=opened["session_id"])


# Each contradicts a PayInOut of 10.00 that wins 25.00.
OTHERS: list[Call] = [
    lambda table, bet: table.pay_in_out(bet, "10.01"),
    lambda table, bet: table.pay_in_out(bet, "500.01"),
    lambda table, bet: table.pay_in_out(bet, win="25.01"),
    lambda table, bet: table.pay_in_out(bet, win="0"),
    lambda table, bet: table.pay_in_out(bet, round_id="round-2"),
    lambda table, bet: table.pay_in(bet),
    lambda table, bet: table.pay_out(bet),
    lambda table, bet: table.pay_out(bet, "26.00"),
    _as_another_player,
    _in_another_game,
]


@pytest.mark.edge_case(3, 6, 24)
@pytest.mark.parametrize("stage", ["settled", "reversed", "refused"])
async def test_other_data_changes_nothing(table: Table, stage: str) -> None:
    bet = table.new_bet()
    if stage == "refused":
        await table.seat(balance="9.99")
    first = await table.pay_in_out(bet)
    if stage == "reversed":
        assert (await table.refund(bet)).said == DONE
    row, calls, entries = await table.row(bet), await table.calls(), await table.entries()
    assert row.state == {"reversed": "settled"}.get(stage, stage)
    for other in OTHERS:
        answer = await other(table, bet)
        assert (answer.said, answer.status) == (DIFFERENT, 200)
    assert (await table.row(bet), await table.calls(), await table.entries()) == (row, calls, entries)
    assert await table.incidents(bet) == ["different_data"] * len(OTHERS)
    assert (await table.pay_in_out(bet)).said == first.said


@pytest.mark.edge_case(3)
@side_by_side(kind=[DEBIT, CREDIT])
async def test_other_data_does_not_join_the_one_in_flight(stack: Stack, kind: int) -> None:
    table = await stack.table(casino=SLOW)
    bet = table.new_bet()
    await table.faults(fault("hold", kind, 1))
    first = asyncio.create_task(table.pay_in_out(bet))
    await table.held()
    assert [(await other(table, bet)).said for other in OTHERS] == [DIFFERENT] * len(OTHERS)
    await table.release()
    assert await first == WON
    assert await table.incidents(bet) == ["different_data"] * len(OTHERS)
    assert await table.journal(bet) == SETTLED
    assert len(await table.entries()) == 2


@pytest.mark.edge_case(3, 24)
@pytest.mark.parametrize(("stage", "journal"), [("open", STAKED), ("settled", SETTLED), ("refunded", REFUNDED)])
async def test_a_bet_of_two_steps_is_no_bet_of_one(table: Table, stage: str, journal: Journal) -> None:
    bet = table.new_bet()
    assert (await table.pay_in(bet)).said == DONE
    if stage != "open":
        assert (await (table.pay_out(bet) if stage == "settled" else table.refund(bet))).said == DONE
    row = await table.row(bet)
    for win in ("25.00", "0"):
        assert (await table.pay_in_out(bet, win=win)).said == DIFFERENT
    assert await table.row(bet) == row
    assert await table.incidents(bet) == ["different_data"] * 2
    assert await table.journal(bet) == journal


@pytest.mark.edge_case(4)
async def test_parallel_copies_are_one_debit_and_one_credit(stack: Stack) -> None:
    table = await stack.table()
    bet = table.new_bet()
    assert await in_parallel(100, lambda: table.pay_in_out(bet)) == [WON] * 100
    assert await table.sent(bet) == [DEBIT, CREDIT]
    assert len(await table.entries()) == 2


@pytest.mark.edge_case(3, 4)
async def test_of_different_calls_at_once_one_stands(stack: Stack) -> None:
    table = await stack.table()
    calls: dict[str, Callable[[str], Awaitable[Answer]]]
    calls = {"won": table.pay_in_out, "lost": partial(table.pay_in_out, win="0"), "open": table.pay_in}
    journals = {"won": SETTLED, "lost": [*STAKED, (CREDIT, "0.00")], "open": STAKED}

    async def race() -> None:
        bet = table.new_bet()
        answers = await asyncio.gather(*(calls[name](bet) for name in [*calls] * 2))
        said = {(name, answer.said) for name, answer in zip([*calls] * 2, answers, strict=True)}
        (stands,) = {name for name, journal in journals.items() if journal == await table.journal(bet)}
        assert said == {(name, DONE if name == stands else DIFFERENT) for name in calls}

    await asyncio.gather(*(race() for _ in range(15)))


@pytest.mark.edge_case(9)
async def test_providers_do_not_share_bet_ids(stack: Stack, table: Table) -> None:
    rival, bet = await stack.table(), table.new_bet()
    seat = await rival.catalogue.open_session(rival.provider, table.casino, "dice", "anna", "EUR")
    rival.session_id, rival.partner_client_id = seat["session_id"], table.partner_client_id
    assert (await table.pay_in_out(bet)).said == DONE
    assert (await rival.pay_in_out(bet, "20.00", "0", "round-9")).said == DONE
    assert (await table.refund(bet)).said == DONE
    assert await table.journal(bet) == BACK
    assert await rival.journal(bet) == [(DEBIT, "20.00"), (CREDIT, "0.00")]


@pytest.mark.edge_case(13, 14, 46)
async def test_the_record_outlives_the_workflow(table: Table) -> None:
    won, back, small, later = bets = [table.new_bet() for _ in range(4)]
    first = [await table.pay_in_out(won), await table.pay_in_out(back), await table.refund(back)]
    assert [answer.said for answer in first] == [DONE] * 3
    assert (await table.pay_in_out(small, "0.01")).said == (7, "below_min_bet")
    assert (await table.pay_in_out(later)).said == DONE
    rows, entries = [await table.row(bet) for bet in bets], await table.entries()
    await asyncio.gather(*(forget(table, bet) for bet in bets))
    assert [await table.pay_in_out(won), await table.pay_in_out(back), await table.refund(back)] == first
    assert (await table.pay_in_out(small, "0.01")).said == (7, "below_min_bet")
    assert [(await other(table, won)).said for other in OTHERS] == [DIFFERENT] * len(OTHERS)
    assert [await table.row(bet) for bet in bets] == rows
    assert await table.entries() == entries
    # A bet whose workflow is gone can still be reversed.
    assert (await table.refund(later)).said == DONE
    assert await table.journal(later) == BACK
    assert [await forgotten(table, bet) for bet in bets] == [True] * 4


@pytest.mark.edge_case(14, 43)
@pytest.mark.parametrize("reason", ["no_money", "player_blocked", "limit_reached"])
async def test_a_refusal_of_the_casino_stays(table: Table, reason: str) -> None:
    bet, anna = table.new_bet(), f"/_players/{table.partner_client_id}/anna"
    if reason == "limit_reached":
        await table.faults(fault("error_code", DEBIT, error_code=103806))
    elif reason == "player_blocked":
        await table.at_casino("PATCH", anna, json={"blocked": True})
    else:
        # The win would cover the stake.
        await table.seat(balance="9.99")
    said = (4 if reason == "no_money" else 7, reason)
    assert (await table.pay_in_out(bet, win="500.00")).said == said
    row = await table.row(bet)
    await table.faults()
    await table.at_casino("PATCH", anna, json={"blocked": False})
    await table.seat(balance="1000.00")
    assert (await table.pay_in_out(table.new_bet())).said == DONE
    assert (await table.pay_in_out(bet, win="500.00")).said == said
    assert (await table.refund(bet)).said == (6, "bet_refused")
    assert await table.row(bet) == row
    assert await table.sent(bet) == [DEBIT]
    assert await table.journal(bet) == []


# Order


@pytest.mark.edge_case(15, 16)
async def test_a_refund_before_its_pay_in_out_keeps_it_out(table: Table) -> None:
    bet = table.new_bet()
    assert [(await table.refund(bet)).said for _ in range(2)] == [DONE] * 2
    row = await table.row(bet)
    assert [(await table.pay_in_out(bet)).said for _ in range(2)] == [REFUNDED_ALREADY] * 2
    assert (await table.refund(bet)).said == DONE
    assert await table.row(bet) == row
    assert await table.calls() == []


async def _is_off(table: Table, bet: str, refund: Answer, pay_in_out: Answer) -> int:
    """Check what must hold after PayInOut and Refund, whoever was first. Returns how many movements there were."""
    row, journal = await table.row(bet), await table.journal(bet)
    assert refund.said == DONE
    assert journal == {0: [], 2: REFUNDED, 4: BACK}[len(journal)]
    assert (row.state, row.reversed_by is not None) == (("settled", True) if journal == BACK else ("refunded", False))
    assert pay_in_out.said in (DONE, REFUNDED_ALREADY)
    # "Done" is told of a bet that was settled alone, and stays told.
    assert (row.told_at is not None) == (pay_in_out.said == DONE)
    assert journal == BACK or pay_in_out.said == REFUNDED_ALREADY
    assert (await table.pay_in_out(bet)).said == pay_in_out.said
    assert (await table.refund(bet)).said == DONE
    assert await table.journal(bet) == journal
    return len(journal)


@pytest.mark.edge_case(15, 16, 17, 46)
async def test_refund_and_pay_in_out_at_the_same_moment(stack: Stack) -> None:
    table = await stack.table()

    async def race(turn: int) -> None:
        bet = table.new_bet()
        calls = [until(partial(table.pay_in_out, bet)), until(partial(table.refund, bet))]
        answers = await asyncio.gather(*(calls if turn % 2 else reversed(calls)))
        pay_in_out, refund = answers if turn % 2 else reversed(answers)
        await _is_off(table, bet, refund, pay_in_out)

    await asyncio.gather(*(race(turn) for turn in range(30)))


@pytest.mark.edge_case(15, 16)
async def test_a_tombstone_and_a_bet_meet_at_the_row(stack: Stack) -> None:
    table = await stack.table()
    moved = set()
    for _ in range(6):
        bet = table.new_bet()
        async with no_writes(table) as waiting:
            refund = asyncio.create_task(until(partial(table.refund, bet)))
            await waiting(1)
            pay_in_out = asyncio.create_task(until(partial(table.pay_in_out, bet)))
            await waiting(2)
        moved.add(await _is_off(table, bet, await refund, await pay_in_out))
    # The Refund has waited longer: it is not always the second.
    assert 0 in moved


@pytest.mark.edge_case(17, 26)
@side_by_side(again=[True, False])
async def test_a_refund_while_the_debit_is_unknown_returns_the_stake(stack: Stack, again: bool) -> None:
    table = await stack.table(provider=HASTY, casino=LOSING)
    await table.faults(fault("lost", DEBIT, 1), fault("hold", DEBIT, 1))
    bet, pay_in_out = await under_way(table, table.pay_in_out)
    await table.held()
    assert (await table.refund(bet)).said == UNKNOWN
    assert (await pay_in_out).said == UNKNOWN
    assert await table.journal(bet) == STAKED
    await table.release()
    if again:
        assert (await until(lambda: table.refund(bet))).said == DONE
    await in_state(table, bet, "refunded")
    assert (await table.pay_in_out(bet)).said == REFUNDED_ALREADY
    assert (await table.refund(bet)).said == DONE
    assert await table.sent(bet) == [DEBIT, DEBIT, RETURN]
    assert await table.journal(bet) == REFUNDED


@pytest.mark.edge_case(17)
@side_by_side(lane=["fast", "slow"])
async def test_a_refund_that_waits_for_the_debit(stack: Stack, lane: str) -> None:
    table = await stack.table(casino=LOSING)
    bet = table.new_bet()
    await table.faults(*([fault("lost", DEBIT, 1)] if lane == "slow" else []), fault("hold", DEBIT, 1))
    pay_in_out = asyncio.create_task(table.pay_in_out(bet))
    await table.held()
    refund = asyncio.create_task(table.refund(bet))
    await arrived(table, 2)
    await table.release()
    moved = await _is_off(table, bet, await refund, await pay_in_out)
    # In the slow lane the Refund gets through to the bet before the win is sent.
    assert moved == 2 or lane == "fast"


@pytest.mark.edge_case(17)
async def test_nothing_follows_a_debit_that_is_refused(stack: Stack) -> None:
    table = await stack.table(casino=SLOW)
    bet = table.new_bet()
    await table.seat(balance="9.99")
    await table.faults(fault("hold", DEBIT, 1))
    pay_in_out = asyncio.create_task(table.pay_in_out(bet))
    await table.held()
    refund = asyncio.create_task(table.refund(bet))
    await arrived(table, 2)
    await table.release()
    assert ((await pay_in_out).said, (await refund).said) == ((4, "no_money"), (6, "bet_refused"))
    assert await table.sent(bet) == [DEBIT]
    assert await table.journal(bet) == []


# The casino's wallet


@pytest.mark.edge_case(26, 42)
@side_by_side(kind=[DEBIT, CREDIT], times=[1, 4])
async def test_a_leg_whose_answer_is_lost_is_made_once(stack: Stack, kind: int, times: int) -> None:
    table = await stack.table(provider=HASTY, casino=QUICK)
    await table.faults(fault("lost", kind, times), NO_LIST)
    bet = await taken(table, table.pay_in_out)
    assert (await table.sent(bet)).count(kind) == times + 1
    assert await table.journal(bet) == SETTLED


@pytest.mark.edge_case(26)
async def test_a_debit_that_never_arrived_pays_no_win(stack: Stack) -> None:
    table, bet = await left_unknown(stack, SHORT_LIVED, fault("drop", DEBIT))
    assert (await until(lambda: table.pay_in_out(bet))).said == (7, "casino_unavailable")
    assert (await table.refund(bet)).said == (6, "bet_refused")
    assert set(await table.sent(bet)) == {DEBIT}
    assert await table.journal(bet) == []


@pytest.mark.edge_case(33, 42)
@side_by_side(kind=["lost", "error"])
async def test_a_win_that_is_owed_is_paid_in_the_end(stack: Stack, kind: str) -> None:
    table, bet = await left_unknown(stack, QUICK, fault(kind, CREDIT), NO_LIST)
    await has_status(table, bet, "owed", True)
    await sent(table, bet, 6)
    assert (await table.pay_in_out(bet)).said == UNKNOWN
    await table.faults()
    assert (await until(lambda: table.pay_in_out(bet))).said == DONE
    assert {call["amount"] for call in await sends(table, bet) if call["transaction_type"] == CREDIT} == {"25.00"}
    assert await table.journal(bet) == SETTLED
    await has_status(table, bet, "settled", False)


@pytest.mark.edge_case(42, 46)
@side_by_side(kind=["lost", "error"], again=[True, False])
async def test_a_refund_while_the_win_is_owed_follows_it(stack: Stack, kind: str, again: bool) -> None:
    table, bet = await left_unknown(stack, QUICK, fault(kind, CREDIT), NO_LIST)
    assert (await table.refund(bet)).said == UNKNOWN
    await sent(table, bet, 5)
    assert await table.journal(bet) == (SETTLED if kind == "lost" else STAKED)
    assert set(await table.sent(bet)) == {DEBIT, CREDIT}
    await table.faults()
    if again:
        assert (await until(lambda: table.refund(bet))).said == DONE
    await journal_is(table, bet, BACK)
    assert (await until(lambda: table.refund(bet))).said == DONE
    assert (await table.pay_in_out(bet)).said == REFUNDED_ALREADY
    assert (await table.row(bet)).told_at is None
    assert (await table.sent(bet))[-3:] == [CREDIT, CLAW_BACK, RETURN]


@pytest.mark.edge_case(34, 46)
@side_by_side(refunded=["before", "after"])
async def test_nothing_moves_while_the_win_is_parked(stack: Stack, refunded: str) -> None:
    parking = fault("error_code", CREDIT, error_code=103805)
    first = fault("error", CREDIT) if refunded == "before" else parking
    table, bet = await left_unknown(stack, QUICK, first)
    if refunded == "before":
        assert (await table.refund(bet)).said == UNKNOWN
        await table.faults(parking)
    await has_status(table, bet, "parked", True)
    assert await table.incidents(bet) == ["parked"]
    await table.faults()
    calls = await table.sent(bet)
    assert [(await call(bet)).said for call in (table.pay_in_out, table.refund) * 2] == [UNKNOWN] * 4
    assert await table.sent(bet) == calls
    assert await table.journal(bet) == STAKED
    assert (await movement(table, bet, CREDIT)).state == "parked"
    assert (await table.row(bet)).state == "settling"


# Players, limits, amounts


@pytest.mark.edge_case(52, 54, 56, 78)
@pytest.mark.parametrize("change", ["session ended", "blocked by us", "blocked at the casino", "limit", "money"])
async def test_what_changes_is_for_new_stakes_only(table: Table, change: str) -> None:
    told, back = table.new_bet(), table.new_bet()
    first = await table.pay_in_out(told)
    assert (first.said, (await table.pay_in_out(back)).said) == (DONE, DONE)
    amount, refused = "10.00", (7, "player_blocked")
    match change:
        case "session ended":
            await table.catalogue.close_session(table.session_id)
            refused = (3, "session_ended")
        case "blocked by us":
            await table.catalogue.block(table.casino, "anna", blocked=True)
        case "blocked at the casino":
            path = f"/_players/{table.partner_client_id}/anna"
            await table.at_casino("PATCH", path, json={"blocked": True})
        case "limit":
            amount, refused = "500.01", (7, "above_max_bet")
        case _:
            amount, refused = "0.09", (7, "below_min_bet")
    new = table.new_bet()
    calls = [] if change == "blocked at the casino" else await table.calls()
    assert [(await table.pay_in_out(new, amount)).said for _ in range(2)] == [refused] * 2
    assert await table.pay_in_out(told) == first
    assert calls in ([], await table.calls())
    assert (await table.refund(back)).said == DONE
    assert await table.journal(new) == []
    assert await table.journal(told) == SETTLED
    assert await table.journal(back) == BACK


@pytest.mark.edge_case(52)
@pytest.mark.parametrize("whose", ["unknown", "of another provider", "demo"])
async def test_a_session_that_is_not_the_providers_is_refused(stack: Stack, table: Table, whose: str) -> None:
    session, bet = "no-such-session", table.new_bet()
    if whose != "unknown":
        session = await (table.seat("demetra", mode="demo") if whose == "demo" else (await stack.table()).seat())
    reason = "session_demo" if whose == "demo" else "session_unknown"
    assert (await table.pay_in_out(bet, session=session)).said == (3, reason)
    assert await table.row(bet) is None
    assert await table.calls() == []


@pytest.mark.edge_case(60)
@pytest.mark.parametrize(("stake", "win"), [("10.001", "25.00"), ("10.00", "25.001"), ("10.000", "25.00")])
async def test_more_decimals_than_the_currency_has_are_refused(table: Table, stake: str, win: str) -> None:
    bet = table.new_bet()
    answer = await table.pay_in_out(bet, stake, win)
    assert (answer.said, answer.status) == ((2, "malformed"), 400)
    assert await table.row(bet) is None
    assert await table.calls() == []
