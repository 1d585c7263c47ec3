"""Edge cases 130 to 132: credits of many bets in one call, as provider and casino see them."""

import asyncio
from functools import partial
from typing import Any

import pytest

from tests.partner import Stack, TestPartner, until
from tests.system.scenarios import CREDIT, DEBIT, DONE, HASTY, RETURN, UNKNOWN, bet_with_stake_taken
from tests.watch import has_status, holds, movement

MAKE, LIST = "/payments/make", "/payments/make-list"
# A casino that takes lists and is sent what is owed as fast as it comes.
LISTS = "{send: {list: credits}, owed_per_second: 500, retry: {first: 0.1, cap: 0.5}, breaker: {failures: 1000}}"
DOWN = [{"kind": "error", "path": MAKE}, {"kind": "error", "path": LIST}, {"kind": "error", "path": "/payments/info"}]
BETS = 12


async def _staked(partner: TestPartner, bets: int = BETS) -> list[str]:
    return list(await asyncio.gather(*(bet_with_stake_taken(partner, partner.pay_in) for _ in range(bets))))


async def _lists(partner: TestPartner) -> list[dict[str, Any]]:
    return [call for call in await partner.calls() if call["path"] == LIST]


async def _paid(partner: TestPartner, bets: list[str], kind: int = CREDIT, amount: str = "25.00") -> None:
    """Check that each bet has its stake and one credit, here and at the casino."""
    for bet in bets:
        assert await partner.journal(bet) == [(DEBIT, "10.00"), (kind, amount)]
        assert (await movement(partner, bet, kind)).state == "done"


@pytest.mark.edge_case(130)
@pytest.mark.parametrize("confirmation", ["reply", "accept"])
async def test_what_is_owed_after_an_outage_is_sent_in_lists(stack: Stack, confirmation: str) -> None:
    partner = await stack.partner(provider=HASTY, casino=LISTS, confirmation=confirmation)
    bets = await _staked(partner)
    await partner.faults(*DOWN)
    answers = await asyncio.gather(*(partner.pay_out(bet) for bet in bets))
    assert {answer.outcome for answer in answers} == {UNKNOWN}
    for bet in bets:
        await has_status(partner, bet, "owed", True)
    before = len(await _lists(partner))
    await partner.faults()
    answers = await asyncio.gather(*(until(partial(partner.pay_out, bet)) for bet in bets))
    assert {answer.outcome for answer in answers} == {DONE}
    taken = (await _lists(partner))[before:]
    assert any(len(call["items"]) > 1 for call in taken)
    # Each movement has kept its identity, and each send is counted in its row.
    for bet in bets:
        row = await partner.row(bet)
        calls = [one for call in await partner.calls() for one in ([call, *call["items"]])]
        ours = [one for one in calls if (one["bet_id"], one["transaction_type"]) == (row.bet_id, CREDIT)]
        assert {(one["transaction_id"], one["amount"]) for one in ours} == {(f"{row.bet_id}:1", "25.00")}
        assert len(ours) == (await movement(partner, bet, CREDIT)).attempts
    await _paid(partner, bets)


@pytest.mark.edge_case(130)
@pytest.mark.parametrize("call", ["pay_out", "refund"])
async def test_a_round_that_settles_for_many_players_is_paid_in_lists(stack: Stack, call: str) -> None:
    partner = await stack.partner(casino=LISTS)
    bets = await _staked(partner)
    answers = await asyncio.gather(*(until(partial(getattr(partner, call), bet)) for bet in bets))
    assert {answer.outcome for answer in answers} == {DONE}
    kind, amount = (CREDIT, "25.00") if call == "pay_out" else (RETURN, "10.00")
    await _paid(partner, bets, kind, amount)


FAULTS: dict[str, dict[str, object]] = {
    "missing": {"kind": "item_missing"},
    "doubled": {"kind": "item_doubled"},
    "other order": {"kind": "items_reversed"},
    "another bet's": {"kind": "item_foreign"},
    "cut": {"kind": "cut"},
    "lost": {"kind": "lost"},
    "HTML": {"kind": "garbage"},
    "late, and taken": {"kind": "delay", "delay": 3},
    "refused whole": {"kind": "error_code", "error_code": 103801},
    "refused whole, and taken": {"kind": "refuse_after_commit", "error_code": 102145},
    "unknown path": {"kind": "status", "status": 404},
    "each refused": {"kind": "rewrite", "fields": {"ErrorCode": 102823}},
}


@pytest.mark.edge_case(131)
async def test_each_movement_of_a_list_that_is_not_answered_clearly_is_made_once(stack: Stack) -> None:
    async def play(fault: dict[str, object]) -> list[dict[str, Any]]:
        partner = await stack.partner(casino=f"{{attempt_timeout: 2, {LISTS[1:]}")
        bets = await _staked(partner, 4)
        await partner.faults({**fault, "path": LIST})
        answers = await asyncio.gather(*(until(partial(partner.pay_out, bet)) for bet in bets))
        assert {answer.outcome for answer in answers} == {DONE}, fault
        await _paid(partner, bets)
        assert [await partner.incidents(bet) for bet in bets] == [[]] * 4, fault
        return await _lists(partner)

    for lists in await asyncio.gather(*(play(fault) for fault in FAULTS.values())):
        assert all(2 <= len(call["items"]) <= 4 for call in lists)


@pytest.mark.edge_case(132)
async def test_an_item_that_is_refused_for_good_is_parked_and_the_others_are_paid(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=LISTS)
    bets = await _staked(partner, 4)
    await partner.faults(*DOWN)
    await asyncio.gather(*(partner.pay_out(bet) for bet in bets))
    refused = await partner.row(bets[0])
    code: dict[str, object] = {"kind": "error_code", "error_code": 103805, "bet_id": refused.bet_id, "path": MAKE}
    await partner.faults(code, {"kind": "error", "bet_id": refused.bet_id, "path": LIST})
    await has_status(partner, bets[0], "parked", True)
    for bet in bets[1:]:
        assert (await until(partial(partner.pay_out, bet))).outcome == DONE
    await _paid(partner, bets[1:])
    assert await partner.incidents(bets[0]) == ["parked"]
    assert await partner.journal(bets[0]) == [(DEBIT, "10.00")]


@pytest.mark.edge_case(131)
async def test_an_accept_that_is_missing_for_one_item_holds_up_no_other(stack: Stack) -> None:
    profile = f"{{accept_within: 1, effect_within: 1, {LISTS[1:]}"
    partner = await stack.partner(provider=HASTY, casino=profile, confirmation="accept")
    bets = await _staked(partner, 4)
    missing = await partner.row(bets[0])
    await partner.faults({"kind": "drop", "path": "/payments/accept", "bet_id": missing.bet_id, "times": 1})
    answers = await asyncio.gather(*(until(partial(partner.pay_out, bet)) for bet in bets))
    assert {answer.outcome for answer in answers} == {DONE}
    await holds(lambda: movement(partner, bets[0], CREDIT), lambda row: row.state == "done")
    await _paid(partner, bets)
