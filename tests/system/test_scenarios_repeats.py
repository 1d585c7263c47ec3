"""Section A, edge cases 1 to 7: repeats of a call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import aiohttp
import pytest

from betcore.db.onboarding_sessions import NewSession
from tests.partner import Answer, Stack, TestPartner, until
from tests.system.scenarios import (
    DONE,
    HASTY,
    REFUNDED,
    SETTLED,
    SLOW,
    STAKED,
    Journal,
    Resolve,
    bet_with_unknown_outcome,
    calls_arrived,
    in_parallel,
)

# PayIn


@pytest.mark.edge_case(1)
async def test_a_repeated_pay_in_is_answered_from_the_record(partner: TestPartner) -> None:
    bet = partner.new_bet()
    first = await partner.pay_in(bet)
    assert (first.outcome, first.status, first.body["balance"]) == (DONE, 200, 990)
    calls = await partner.calls()
    assert await partner.pay_in(bet) == first
    assert await partner.calls() == calls
    assert await partner.journal(bet) == STAKED


@pytest.mark.edge_case(1)
@pytest.mark.parametrize(
    ("resolve", "journal"),
    [(TestPartner.pay_out, SETTLED), (TestPartner.refund, REFUNDED)],
    ids=["settled", "refunded"],
)
async def test_an_answered_pay_in_keeps_its_answer(partner: TestPartner, resolve: Resolve, journal: Journal) -> None:
    bet = partner.new_bet()
    first = await partner.pay_in(bet)
    assert (await resolve(partner, bet)).outcome == DONE
    calls = await partner.calls()
    assert await partner.pay_in(bet) == first
    assert await partner.calls() == calls
    assert await partner.journal(bet) == journal


@pytest.mark.edge_case(1)
async def test_a_pay_in_that_was_never_answered_stays_refunded(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=SLOW)
    await partner.faults({"kind": "hold_after", "transaction_type": -1, "times": 1})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    assert (await partner.refund(bet)).code == 99
    await partner.release()
    assert (await until(lambda: partner.refund(bet))).outcome == DONE
    for _ in range(2):
        assert (await partner.pay_in(bet)).outcome == (6, "already_refunded")
    assert (await partner.row(bet)).told_at is None
    assert await partner.journal(bet) == REFUNDED


@pytest.mark.edge_case(1, 5, 7, 15)
async def test_a_provider_may_want_repeats_marked(stack: Stack) -> None:
    partner = await stack.partner(provider="duplicates: code_104")
    won, lost, never = partner.new_bet(), partner.new_bet(), partner.new_bet()
    for call in (
        *(partial(partner.pay_in, won), partial(partner.pay_out, won)),
        *(partial(partner.pay_in, lost), partial(partner.refund, lost)),
        partial(partner.refund, never),
    ):
        assert (await call()).outcome == DONE
        for _ in range(2):
            again = await call()
            assert (again.outcome, again.status) == ((104, "already_processed"), 200)
    assert (await partner.pay_in(won)).code == 104
    assert (await partner.refund(won)).outcome == (6, "already_settled")
    assert await partner.journal(won) == SETTLED
    assert await partner.journal(lost) == REFUNDED


@pytest.mark.edge_case(2)
@pytest.mark.parametrize("duplicates", ["replay", "code_104"])
async def test_a_pay_in_joins_the_one_in_flight(stack: Stack, duplicates: str) -> None:
    partner = await stack.partner(provider=f"duplicates: {duplicates}", casino=SLOW)
    bet = partner.new_bet()
    await partner.faults({"kind": "hold_after", "transaction_type": -1, "times": 1})
    copies = asyncio.create_task(in_parallel(20, lambda: partner.pay_in(bet)))
    await partner.held()
    await calls_arrived(partner, 20)
    await partner.release()
    answers = await copies
    # The outcome was not on record when any of them came.
    assert {answer.outcome for answer in answers} == {DONE}
    assert all(answer == answers[0] for answer in answers)
    assert await partner.sent(bet) == [-1]
    assert await partner.journal(bet) == STAKED


@pytest.mark.edge_case(2)
async def test_a_pay_in_in_flight_is_unknown_at_the_deadline(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=SLOW)
    await partner.faults({"kind": "hold_after", "transaction_type": -1, "times": 1})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    for answer in await in_parallel(2, lambda: partner.pay_in(bet)):
        assert (answer.outcome, answer.status) == ((99, "outcome_unknown"), 503)
    await partner.release()
    assert (await until(lambda: partner.pay_in(bet))).outcome == DONE
    assert await partner.sent(bet) == [-1]
    assert await partner.journal(bet) == STAKED


async def _differing(partner: TestPartner, variant: str, bet: str) -> Answer:
    match variant:
        case "amount":
            return await partner.pay_in(bet, "10.01")
        case "amount beyond the limit":
            return await partner.pay_in(bet, "500.01")
        case "player":
            return await partner.pay_in(bet, session=await partner.seat("bob"))
        case "game":
            await partner.catalogue.add_game(partner.provider, "wheel", "Wheel")
            opened = await partner.sessions.open(NewSession(partner.provider, partner.casino, "wheel", "anna", "EUR"))
            return await partner.pay_in(bet, session=opened["session_id"])
        case _:
            return await partner.pay_in(bet, round_id="round-2")


@pytest.mark.edge_case(3)
@pytest.mark.parametrize("variant", ["amount", "amount beyond the limit", "player", "game", "round"])
@pytest.mark.parametrize("stage", ["open", "settled", "refunded", "refused"])
async def test_a_pay_in_with_other_data_changes_nothing(partner: TestPartner, variant: str, stage: str) -> None:
    bet = partner.new_bet()
    if stage == "refused":
        await partner.seat(balance="9.99")
    await partner.pay_in(bet)
    if stage in ("settled", "refunded"):
        await (partner.pay_out(bet) if stage == "settled" else partner.refund(bet))
    row, calls, entries = await partner.row(bet), await partner.calls(), await partner.entries()
    assert row.state == {"open": "acceptance"}.get(stage, stage)
    answer = await _differing(partner, variant, bet)
    assert (answer.outcome, answer.status) == ((6, "different_data"), 200)
    assert (await partner.row(bet), await partner.calls(), await partner.entries()) == (row, calls, entries)
    assert await partner.incidents(bet) == ["different_data"]


@pytest.mark.edge_case(3)
@pytest.mark.parametrize("variant", ["amount", "player", "game", "round"])
async def test_other_data_does_not_join_a_pay_in_in_flight(stack: Stack, variant: str) -> None:
    partner = await stack.partner(casino=SLOW)
    bet = partner.new_bet()
    await partner.faults({"kind": "hold_after", "transaction_type": -1, "times": 1})
    first = asyncio.create_task(partner.pay_in(bet))
    await partner.held()
    assert (await _differing(partner, variant, bet)).outcome == (6, "different_data")
    await partner.release()
    assert (await first).outcome == DONE
    assert [(e["bet_id"], e["transaction_type"]) for e in await partner.entries()] == [
        ((await partner.row(bet)).bet_id, -1)
    ]
    assert await partner.incidents(bet) == ["different_data"]


@pytest.mark.edge_case(4)
@pytest.mark.parametrize("copies", [10, 200])
async def test_parallel_copies_are_one_debit(stack: Stack, copies: int) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    async with _crowd(partner):
        answers = await in_parallel(copies, lambda: partner.pay_in(bet))
    assert answers == [Answer(200, {"currency": "EUR", "balance": 990, "_responseCode": 1})] * copies
    assert await partner.sent(bet) == [-1]
    assert [entry["transaction_type"] for entry in await partner.entries()] == [-1]


@pytest.mark.edge_case(4, 2)
async def test_a_thousand_copies_are_one_debit(stack: Stack) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    async with _crowd(partner):
        # A copy that hears "not known yet" from a service with so much to do asks again.
        answers = await in_parallel(1000, lambda: until(lambda: partner.pay_in(bet), seconds=60))
    assert answers == [Answer(200, {"currency": "EUR", "balance": 990, "_responseCode": 1})] * 1000
    assert await partner.sent(bet) == [-1]
    assert [entry["transaction_type"] for entry in await partner.entries()] == [-1]


@pytest.mark.edge_case(3, 4)
async def test_of_two_different_pay_ins_at_once_one_stands(stack: Stack) -> None:
    partner = await stack.partner()
    bets, amounts = [partner.new_bet() for _ in range(10)], ("10.00", "20.00")
    calls = [(bet, amount) for bet in bets for amount in amounts * 2]
    answers = await asyncio.gather(*(partner.pay_in(bet, amount) for bet, amount in calls))
    for bet in bets:
        journal = await partner.journal(bet)
        said = {(call[1], answer.outcome) for call, answer in zip(calls, answers, strict=True) if call[0] == bet}
        assert journal in ([(-1, amount)] for amount in amounts)
        assert said == {(each, DONE if journal == [(-1, each)] else (6, "different_data")) for each in amounts}
        assert set(await partner.incidents(bet)) == {"different_data"}


@asynccontextmanager
async def _crowd(partner: TestPartner) -> AsyncIterator[None]:
    """Let the partner's calls leave all at once, instead of a hundred at a time."""
    alone = partner.stack
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        partner.stack = replace(alone, http=http)
        yield
    partner.stack = alone


# PayOut and Refund


@pytest.mark.edge_case(5, 7)
@pytest.mark.parametrize(
    ("resolve", "kind", "journal"),
    [(TestPartner.pay_out, 1, SETTLED), (TestPartner.refund, 2, REFUNDED)],
    ids=["pay_out", "refund"],
)
async def test_a_resolution_moves_money_once(stack: Stack, resolve: Resolve, kind: int, journal: Journal) -> None:
    partner = await stack.partner(casino=SLOW)
    bet = partner.new_bet()
    await partner.pay_in(bet)
    await partner.faults({"kind": "hold_after", "transaction_type": kind, "times": 1})
    copies = asyncio.create_task(in_parallel(10, lambda: resolve(partner, bet)))
    await partner.held()
    await calls_arrived(partner, 11)
    await partner.release()
    answers = await copies
    assert {answer.outcome for answer in answers} == {DONE}
    assert await resolve(partner, bet) == answers[0]
    assert await partner.sent(bet) == [-1, kind]
    assert await partner.journal(bet) == journal


@pytest.mark.edge_case(6)
@pytest.mark.parametrize("amount", ["25.01", "24.99", "0"])
async def test_the_first_amount_stands(partner: TestPartner, amount: str) -> None:
    bet = partner.new_bet()
    await partner.pay_in(bet)
    first = await partner.pay_out(bet)
    row, calls = await partner.row(bet), await partner.calls()
    answer = await partner.pay_out(bet, amount)
    assert (answer.outcome, answer.status) == ((6, "different_data"), 200)
    assert (await partner.row(bet), await partner.calls()) == (row, calls)
    assert await partner.incidents(bet) == ["different_data"]
    assert await partner.pay_out(bet) == first
    assert await partner.journal(bet) == SETTLED


@pytest.mark.edge_case(6)
async def test_the_amount_in_flight_stands(stack: Stack) -> None:
    partner = await stack.partner(casino=SLOW)
    bet = partner.new_bet()
    await partner.pay_in(bet)
    await partner.faults({"kind": "hold", "transaction_type": 1, "times": 1})
    first = asyncio.create_task(partner.pay_out(bet))
    await partner.held()
    assert (await partner.pay_out(bet, "26.00")).outcome == (6, "different_data")
    await partner.release()
    assert (await first).outcome == DONE
    assert await partner.incidents(bet) == ["different_data"]
    assert await partner.journal(bet) == SETTLED
