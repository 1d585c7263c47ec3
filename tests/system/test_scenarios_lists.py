"""Edge cases 130 to 132 and 140 to 143: several movements in one call, as provider and casino see them."""

import asyncio
from functools import partial
from typing import Any

import pytest

from tests.partner import Stack, TestPartner, until
from tests.system.scenarios import (
    BACK,
    CREDIT,
    DEBIT,
    DONE,
    HASTY,
    NO_LIST,
    REFUNDED_ALREADY,
    RETURN,
    SHORT_LIVED,
    STAKED,
    UNKNOWN,
    bet_with_stake_taken,
    bet_with_unknown_outcome,
    fault,
)
from tests.watch import has_status, holds, made_in_lists, movement

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
    # A win that leaves alone fails still, so that there is a list on a machine of any speed.
    await partner.faults({"kind": "error", "path": MAKE})
    await holds(partial(made_in_lists, partner), bool)
    await partner.faults()
    answers = await asyncio.gather(*(until(partial(partner.pay_out, bet)) for bet in bets))
    assert {answer.outcome for answer in answers} == {DONE}
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
    async def play(met: dict[str, object]) -> list[dict[str, Any]]:
        partner = await stack.partner(casino=f"{{attempt_timeout: 2, {LISTS[1:]}")
        bets = await _staked(partner, 4)
        await partner.faults({**met, "path": LIST})
        answers = await asyncio.gather(*(until(partial(partner.pay_out, bet)) for bet in bets))
        assert {answer.outcome for answer in answers} == {DONE}, met
        await _paid(partner, bets)
        assert [await partner.incidents(bet) for bet in bets] == [[]] * 4, met
        return await _lists(partner)

    for lists in await asyncio.gather(*map(play, FAULTS.values())):
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


# Stake and win of a PayInOut in one list

ORDERED = f"{{{LISTS[1:].replace('credits', 'one_step')}"
BOTH = [DEBIT, CREDIT]


async def _sends(partner: TestPartner, bet: str) -> list[list[int]]:
    """Return the types of the movements of a bet in each call that reached the casino."""
    row = await partner.row(bet)
    calls = [call for call in await partner.calls() if call["path"] in (MAKE, LIST)]
    movements = [call["items"] or [call] for call in calls]
    return [[one["transaction_type"] for one in found] for found in movements if found[0]["bet_id"] == row.bet_id]


@pytest.mark.edge_case(140)
@pytest.mark.parametrize("confirmation", ["reply", "accept"])
async def test_a_pay_in_out_is_one_call_at_a_casino_that_certifies_its_order(stack: Stack, confirmation: str) -> None:
    partner = await stack.partner(casino=ORDERED, confirmation=confirmation)
    bet = partner.new_bet()
    first = await until(partial(partner.pay_in_out, bet))
    assert (first.outcome, first.body["balance"]) == (DONE, 1015)
    assert await partner.pay_in_out(bet) == first
    assert await _sends(partner, bet) == [BOTH]
    await _paid(partner, [bet])
    # Its Refund takes both back.
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    assert await partner.journal(bet) == BACK


@pytest.mark.edge_case(43, 140)
@pytest.mark.parametrize("confirmation", ["reply", "accept"])
async def test_a_win_covers_no_stake_in_one_list_with_it(stack: Stack, confirmation: str) -> None:
    partner = await stack.partner(casino=ORDERED, confirmation=confirmation)
    await partner.seat(balance="9.99")
    bet = partner.new_bet()
    assert (await until(partial(partner.pay_in_out, bet))).outcome == (4, "no_money")
    assert (await partner.refund(bet)).outcome == (6, "bet_refused")
    assert (await partner.journal(bet), await _sends(partner, bet)) == ([], [BOTH])
    assert [(await movement(partner, bet, kind)).state for kind in BOTH] == ["refused", "absent"]
    assert await partner.incidents(bet) == []


UNCLEAR: dict[str, dict[str, object]] = {
    "win missing": {"kind": "last_item_missing"},
    "stake missing": {"kind": "item_missing"},
    "stake doubled": {"kind": "item_doubled"},
    "another bet's": {"kind": "item_foreign"},
    "lost": {"kind": "lost"},
    "cut": {"kind": "cut"},
    "HTML": {"kind": "garbage"},
    "not taken": {"kind": "drop"},
    "late, and taken": {"kind": "delay", "delay": 3},
}


@pytest.mark.edge_case(26, 42, 141)
async def test_stake_and_win_are_made_once_whatever_the_answer_to_their_list(stack: Stack) -> None:
    async def play(name: str) -> None:
        partner = await stack.partner(casino=f"{{attempt_timeout: 2, {ORDERED[1:]}")
        await partner.faults({**UNCLEAR[name], "path": LIST})
        bet = await bet_with_stake_taken(partner, partner.pay_in_out)
        await _paid(partner, [bet])
        first, *alone = await _sends(partner, bet)
        assert (first, max(map(len, alone))) == (BOTH, 1), name
        assert await partner.incidents(bet) == [], name

    await asyncio.gather(*map(play, UNCLEAR))


@pytest.mark.edge_case(33, 34, 141)
async def test_a_win_that_its_list_has_left_open_is_owed(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=ORDERED)
    await partner.faults({"kind": "error", "path": LIST}, fault("error", CREDIT), NO_LIST)
    bet = await bet_with_unknown_outcome(partner, partner.pay_in_out)
    await has_status(partner, bet, "owed", True)
    assert (await partner.journal(bet), (await partner.row(bet)).state) == (STAKED, "settling")
    await partner.faults(fault("error_code", CREDIT, error_code=103805))
    await has_status(partner, bet, "parked", True)
    assert (await partner.journal(bet), await partner.incidents(bet)) == (STAKED, ["parked"])


@pytest.mark.edge_case(142)
@pytest.mark.parametrize("kind", ["lost", "drop"])
async def test_a_refund_while_the_stake_of_a_list_is_in_doubt_follows_the_win(stack: Stack, kind: str) -> None:
    partner = await stack.partner(provider=HASTY, casino=ORDERED)
    await partner.faults({"kind": kind, "path": LIST}, {"kind": "error", "path": MAKE})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in_out)
    assert (await partner.refund(bet)).outcome == UNKNOWN
    await partner.faults()
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    assert await partner.journal(bet) == BACK
    assert (await partner.pay_in_out(bet)).outcome == REFUNDED_ALREADY


@pytest.mark.edge_case(27, 142)
async def test_a_refund_of_a_list_that_never_arrived_moves_nothing(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=f"{{{SHORT_LIVED[1:-1]}, send: {{list: one_step}}}}")
    await partner.faults({"kind": "drop", "path": LIST}, {"kind": "drop", "path": MAKE})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in_out)
    assert (await until(partial(partner.refund, bet))).outcome == DONE
    assert (await partner.journal(bet), (await partner.row(bet)).state) == ([], "refunded")
    assert (await movement(partner, bet, CREDIT)).state == "absent"


@pytest.mark.edge_case(90, 143)
async def test_a_casino_that_breaks_its_order_is_not_believed(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino=ORDERED)
    await partner.seat(balance="9.99")
    await partner.faults({"kind": "order_broken", "path": LIST})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in_out)
    await has_status(partner, bet, "parked", True)
    query = "SELECT kind, theirs FROM incident WHERE bet_id = :b"
    [incident] = await partner.sql(query, b=(await partner.row(bet)).bet_id)
    assert (incident.kind, incident.theirs["reason"]) == ("parked", "win_without_stake")
    assert [(await call(bet)).outcome for call in (partner.pay_in_out, partner.refund)] == [UNKNOWN] * 2
    assert await _sends(partner, bet) == [BOTH]
