"""Section A, edge cases 1 to 7: repeats of a call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import aiohttp
import pytest

from tests.system.scenarios import (
    DONE,
    HASTY,
    REFUNDED,
    SETTLED,
    SLOW,
    STAKED,
    Journal,
    Resolve,
    arrived,
    in_parallel,
    undecided,
)
from tests.table import Answer, Stack, Table, until

# PayIn


@pytest.mark.edge_case(1)
async def test_a_repeated_pay_in_is_answered_from_the_record(table: Table) -> None:
    bet = table.new_bet()
    first = await table.pay_in(bet)
    assert (first.said, first.status, first.body["balance"]) == (DONE, 200, 990)
    calls = await table.calls()
    assert await table.pay_in(bet) == first
    assert await table.calls() == calls
    assert await table.journal(bet) == STAKED


@pytest.mark.edge_case(1)
@pytest.mark.parametrize(
    ("resolve", "journal"), [(Table.pay_out, SETTLED), (Table.refund, REFUNDED)], ids=["settled", "refunded"]
)
async def test_a_told_pay_in_stays_told(table: Table, resolve: Resolve, journal: Journal) -> None:
    bet = table.new_bet()
    first = await table.pay_in(bet)
    assert (await resolve(table, bet)).said == DONE
    calls = await table.calls()
    assert await table.pay_in(bet) == first
    assert await table.calls() == calls
    assert await table.journal(bet) == journal


@pytest.mark.edge_case(1)
async def test_a_pay_in_that_was_never_told_is_refunded_for_ever(stack: Stack) -> None:
    table = await stack.table(provider=HASTY, casino=SLOW)
    await table.faults({"kind": "hold_after", "transaction_type": -1, "times": 1})
    bet = await undecided(table, table.pay_in)
    assert (await table.refund(bet)).code == 99
    await table.release()
    assert (await until(lambda: table.refund(bet))).said == DONE
    for _ in range(2):
        assert (await table.pay_in(bet)).said == (6, "already_refunded")
    assert (await table.row(bet)).told_at is None
    assert await table.journal(bet) == REFUNDED


@pytest.mark.edge_case(1, 5, 7, 15)
async def test_a_provider_may_want_repeats_marked(stack: Stack) -> None:
    table = await stack.table(provider="duplicates: code_104")
    won, lost, never = table.new_bet(), table.new_bet(), table.new_bet()
    for call in (
        *(partial(table.pay_in, won), partial(table.pay_out, won)),
        *(partial(table.pay_in, lost), partial(table.refund, lost)),
        partial(table.refund, never),
    ):
        assert (await call()).said == DONE
        for _ in range(2):
            again = await call()
            assert (again.said, again.status) == ((104, "already_processed"), 200)
    assert (await table.pay_in(won)).code == 104
    assert (await table.refund(won)).said == (6, "already_settled")
    assert await table.journal(won) == SETTLED
    assert await table.journal(lost) == REFUNDED


@pytest.mark.edge_case(2)
@pytest.mark.parametrize("duplicates", ["replay", "code_104"])
async def test_a_pay_in_joins_the_one_in_flight(stack: Stack, duplicates: str) -> None:
    table = await stack.table(provider=f"duplicates: {duplicates}", casino=SLOW)
    bet = table.new_bet()
    await table.faults({"kind": "hold_after", "transaction_type": -1, "times": 1})
    copies = asyncio.create_task(in_parallel(20, lambda: table.pay_in(bet)))
    await table.held()
    await arrived(table, 20)
    await table.release()
    answers = await copies
    # The outcome was not on record when any of them came.
    assert {answer.said for answer in answers} == {DONE}
    assert all(answer == answers[0] for answer in answers)
    assert await table.sent(bet) == [-1]
    assert await table.journal(bet) == STAKED


@pytest.mark.edge_case(2)
async def test_a_pay_in_in_flight_is_unknown_at_the_deadline(stack: Stack) -> None:
    table = await stack.table(provider=HASTY, casino=SLOW)
    await table.faults({"kind": "hold_after", "transaction_type": -1, "times": 1})
    bet = await undecided(table, table.pay_in)
    for answer in await in_parallel(2, lambda: table.pay_in(bet)):
        assert (answer.said, answer.status) == ((99, "outcome_unknown"), 503)
    await table.release()
    assert (await until(lambda: table.pay_in(bet))).said == DONE
    assert await table.sent(bet) == [-1]
    assert await table.journal(bet) == STAKED


async def _differing(table: Table, variant: str, bet: str) -> Answer:
    match variant:
        case "amount":
            return await table.pay_in(bet, "10.01")
        case "amount beyond the limit":
            return await table.pay_in(bet, "500.01")
        case "player":
            return await table.pay_in(bet, session=await table.seat("bob"))
        case "game":
            await table.catalogue.add_game(table.provider, "wheel", "Wheel")
            opened = await table.catalogue.open_session(table.provider, table.casino, "wheel", "anna", "EUR")
            return await table.pay_in(bet, session=opened["session_id"])
        case _:
            return await table.pay_in(bet, round_id="round-2")


@pytest.mark.edge_case(3)
@pytest.mark.parametrize("variant", ["amount", "amount beyond the limit", "player", "game", "round"])
@pytest.mark.parametrize("stage", ["open", "settled", "refunded", "refused"])
async def test_a_pay_in_with_other_data_changes_nothing(table: Table, variant: str, stage: str) -> None:
    bet = table.new_bet()
    if stage == "refused":
        await table.seat(balance="9.99")
    await table.pay_in(bet)
    if stage in ("settled", "refunded"):
        await (table.pay_out(bet) if stage == "settled" else table.refund(bet))
    row, calls, entries = await table.row(bet), await table.calls(), await table.entries()
    assert row.state == {"open": "acceptance"}.get(stage, stage)
    answer = await _differing(table, variant, bet)
    assert (answer.said, answer.status) == ((6, "different_data"), 200)
    assert (await table.row(bet), await table.calls(), await table.entries()) == (row, calls, entries)
    assert await table.incidents(bet) == ["different_data"]


@pytest.mark.edge_case(3)
@pytest.mark.parametrize("variant", ["amount", "player", "game", "round"])
async def test_other_data_does_not_join_a_pay_in_in_flight(stack: Stack, variant: str) -> None:
    table = await stack.table(casino=SLOW)
    bet = table.new_bet()
    await table.faults({"kind": "hold_after", "transaction_type": -1, "times": 1})
    first = asyncio.create_task(table.pay_in(bet))
    await table.held()
    assert (await _differing(table, variant, bet)).said == (6, "different_data")
    await table.release()
    assert (await first).said == DONE
    assert [(e["bet_id"], e["transaction_type"]) for e in await table.entries()] == [
        ((await table.row(bet)).bet_id, -1)
    ]
    assert await table.incidents(bet) == ["different_data"]


@pytest.mark.edge_case(4)
@pytest.mark.parametrize("copies", [10, 200])
async def test_parallel_copies_are_one_debit(stack: Stack, copies: int) -> None:
    table = await stack.table()
    bet = table.new_bet()
    async with _crowd(table):
        answers = await in_parallel(copies, lambda: table.pay_in(bet))
    assert answers == [Answer(200, {"currency": "EUR", "balance": 990, "_responseCode": 1})] * copies
    assert await table.sent(bet) == [-1]
    assert [entry["transaction_type"] for entry in await table.entries()] == [-1]


@pytest.mark.edge_case(4, 2)
async def test_a_thousand_copies_are_one_debit(stack: Stack) -> None:
    table = await stack.table()
    bet = table.new_bet()
    async with _crowd(table):
        # A copy that hears "not known yet" from a service with so much to do asks again.
        answers = await in_parallel(1000, lambda: until(lambda: table.pay_in(bet), seconds=60))
    assert answers == [Answer(200, {"currency": "EUR", "balance": 990, "_responseCode": 1})] * 1000
    assert await table.sent(bet) == [-1]
    assert [entry["transaction_type"] for entry in await table.entries()] == [-1]


@pytest.mark.edge_case(3, 4)
async def test_of_two_different_pay_ins_at_once_one_stands(stack: Stack) -> None:
    table = await stack.table()
    bets, amounts = [table.new_bet() for _ in range(10)], ("10.00", "20.00")
    calls = [(bet, amount) for bet in bets for amount in amounts * 2]
    answers = await asyncio.gather(*(table.pay_in(bet, amount) for bet, amount in calls))
    for bet in bets:
        journal = await table.journal(bet)
        said = {(call[1], answer.said) for call, answer in zip(calls, answers, strict=True) if call[0] == bet}
        assert journal in ([(-1, amount)] for amount in amounts)
        assert said == {(each, DONE if journal == [(-1, each)] else (6, "different_data")) for each in amounts}
        assert set(await table.incidents(bet)) == {"different_data"}


@asynccontextmanager
async def _crowd(table: Table) -> AsyncIterator[None]:
    """Let the table's calls leave all at once, instead of a hundred at a time."""
    alone = table.stack
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        table.stack = replace(alone, http=http)
        yield
    table.stack = alone


# PayOut and Refund


@pytest.mark.edge_case(5, 7)
@pytest.mark.parametrize(
    ("resolve", "kind", "journal"),
    [(Table.pay_out, 1, SETTLED), (Table.refund, 2, REFUNDED)],
    ids=["pay_out", "refund"],
)
async def test_a_resolution_moves_money_once(stack: Stack, resolve: Resolve, kind: int, journal: Journal) -> None:
    table = await stack.table(casino=SLOW)
    bet = table.new_bet()
    await table.pay_in(bet)
    await table.faults({"kind": "hold_after", "transaction_type": kind, "times": 1})
    copies = asyncio.create_task(in_parallel(10, lambda: resolve(table, bet)))
    await table.held()
    await arrived(table, 11)
    await table.release()
    answers = await copies
    assert {answer.said for answer in answers} == {DONE}
    assert await resolve(table, bet) == answers[0]
    assert await table.sent(bet) == [-1, kind]
    assert await table.journal(bet) == journal


@pytest.mark.edge_case(6)
@pytest.mark.parametrize("amount", ["25.01", "24.99", "0"])
async def test_the_first_amount_stands(table: Table, amount: str) -> None:
    bet = table.new_bet()
    await table.pay_in(bet)
    first = await table.pay_out(bet)
    row, calls = await table.row(bet), await table.calls()
    answer = await table.pay_out(bet, amount)
    assert (answer.said, answer.status) == ((6, "different_data"), 200)
    assert (await table.row(bet), await table.calls()) == (row, calls)
    assert await table.incidents(bet) == ["different_data"]
    assert await table.pay_out(bet) == first
    assert await table.journal(bet) == SETTLED


@pytest.mark.edge_case(6)
async def test_the_amount_in_flight_stands(stack: Stack) -> None:
    table = await stack.table(casino=SLOW)
    bet = table.new_bet()
    await table.pay_in(bet)
    await table.faults({"kind": "hold", "transaction_type": 1, "times": 1})
    first = asyncio.create_task(table.pay_out(bet))
    await table.held()
    assert (await table.pay_out(bet, "26.00")).said == (6, "different_data")
    await table.release()
    assert (await first).said == DONE
    assert await table.incidents(bet) == ["different_data"]
    assert await table.journal(bet) == SETTLED
