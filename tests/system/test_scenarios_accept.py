"""Edge cases 38 and 39: a casino that takes a movement and confirms it later, over HTTP on both sides."""

import asyncio
import json
import os
import signal
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from tests.partner import Stack, TestPartner, until
from tests.system.scenarios import (
    BACK,
    DONE,
    HASTY,
    REFUNDED,
    SETTLED,
    STAKED,
    bet_with_stake_sent,
    bet_with_stake_taken,
    bet_with_unknown_outcome,
    delete_workflow,
)
from tests.watch import has_status, holds, in_state, movement

ACCEPT = "/payments/accept"
# An unconfirmed stake is decided soon: this casino applies at once what it takes.
SOON = "{accept_within: 1, effect_within: 1, clock_leeway: 0.1, message_lifetime: 1, retry: {first: 0.2, cap: 0.5}}"


@pytest.fixture(scope="module")
def stack(sweeping: Stack) -> Stack:
    """Its only worker is the one that waits for an Accept."""
    return sweeping


async def _partner(stack: Stack, casino: str = "", provider: str = HASTY) -> TestPartner:
    return await stack.partner(provider, casino, "accept")


def _body(bet_id: int, **changed: Any) -> dict[str, Any]:
    return {
        "BetId": bet_id,
        "TransactionType": -1,
        "PartnerTransactionId": "t",
        "PartnerUserId": "anna",
        "Amount": "10.00",
        "ErrorCode": 200,
        "Message": "",
    } | changed


@pytest.mark.edge_case(38)
async def test_a_quick_casino_is_answered_for_inside_the_deadline(stack: Stack) -> None:
    partner = await _partner(stack, provider="")
    won, back, once = partner.new_bet(), partner.new_bet(), partner.new_bet()
    answer = await partner.pay_in(won)
    assert (answer.outcome, answer.body["balance"]) == (DONE, 990)
    assert (await partner.pay_out(won)).outcome == DONE
    assert (await partner.pay_in(back)).outcome == DONE
    assert (await partner.refund(back)).outcome == DONE
    assert (await partner.pay_in_out(once)).outcome == DONE
    assert (await partner.refund(once)).outcome == DONE
    assert await partner.journal(won) == SETTLED
    assert await partner.journal(back) == REFUNDED
    assert await partner.journal(once) == BACK
    # One send and one Accept for each movement.
    for bet in (won, back, once):
        assert len(await partner.sent(bet)) == len(await partner.accepts(bet)) == len(await partner.journal(bet))


@pytest.mark.edge_case(38)
async def test_a_refusal_by_accept_is_final(stack: Stack) -> None:
    partner = await _partner(stack, provider="")
    poor, blocked = await partner.seat("poor", "1.00"), await partner.seat("blocked")
    at_casino = f"/_players/{partner.partner_client_id}/blocked"
    await partner.at_casino("PATCH", at_casino, json={"blocked": True})
    refused = {poor: (4, "no_money"), blocked: (7, "player_blocked")}
    bets = {session: partner.new_bet() for session in refused}
    assert {session: (await partner.pay_in(bet, session=session)).outcome for session, bet in bets.items()} == refused
    # Nor does it change with what it was for.
    await partner.seat("poor", "1000.00")
    await partner.at_casino("PATCH", at_casino, json={"blocked": False})
    assert {session: (await partner.pay_in(bet, session=session)).outcome for session, bet in bets.items()} == refused
    for bet in bets.values():
        assert (await partner.journal(bet), await partner.sent(bet)) == ([], [-1])


@pytest.mark.edge_case(38)
async def test_a_claw_back_that_an_accept_refuses_leaves_the_bet_settled(stack: Stack) -> None:
    partner = await _partner(stack, provider="")
    bet = partner.new_bet()
    assert (await partner.pay_in_out(bet)).outcome == DONE
    # The win is spent.
    await partner.seat("anna", "5.00")
    assert (await partner.refund(bet)).outcome == (7, "casino_refused")
    assert (await partner.refund(bet)).outcome == (7, "casino_refused")
    assert await partner.journal(bet) == SETTLED
    assert await partner.sent(bet) == [-1, 1, -2]
    assert await partner.incidents(bet) == ["reversal_refused"]


@pytest.mark.edge_case(38)
async def test_an_accept_that_takes_longer_than_the_provider_waits_is_waited_for(stack: Stack) -> None:
    partner = await _partner(stack)
    await partner.faults({"kind": "delay", "delay": 4, "path": ACCEPT})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    # As soon as it is there, and not when its time is up.
    assert (await until(lambda: partner.pay_in(bet), 15)).outcome == DONE
    assert await partner.sent(bet) == [-1]
    assert await partner.journal(bet) == STAKED


@pytest.mark.edge_case(38)
async def test_a_credit_whose_accept_is_lost_is_made_again(stack: Stack) -> None:
    partner = await _partner(stack, SOON)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults({"kind": "drop", "path": ACCEPT, "times": 1})
    assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
    row = await partner.row(bet)
    sends = [call for call in await partner.calls() if call["bet_id"] == row.bet_id and call["transaction_type"] == 1]
    assert len(sends) == 2
    assert {send["transaction_id"] for send in sends} == {f"{row.bet_id}:1"}
    assert await partner.journal(bet) == SETTLED


@pytest.mark.edge_case(38)
async def test_a_debit_whose_accept_is_lost_is_looked_for(stack: Stack) -> None:
    partner = await _partner(stack, SOON)
    await partner.faults({"kind": "drop", "path": ACCEPT})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    await in_state(partner, bet, "acceptance")
    assert (await until(lambda: partner.pay_in(bet))).outcome == DONE
    assert "/payments/info" in [call["path"] for call in await partner.calls()]
    await partner.faults()
    assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
    assert await partner.journal(bet) == SETTLED


@pytest.mark.edge_case(38)
async def test_a_debit_that_the_casino_has_refused_without_a_word_is_looked_for_in_vain(stack: Stack) -> None:
    partner = await _partner(stack, SOON)
    poor = await partner.seat("poor", "1.00")
    await partner.faults({"kind": "drop", "path": ACCEPT})
    bet = await bet_with_unknown_outcome(partner, partial(partner.pay_in, session=poor))
    await in_state(partner, bet, "refused")
    assert [call["path"] for call in await partner.calls()].count("/payments/info") == 2
    assert (await partner.pay_in(bet, session=poor)).outcome == (7, "casino_unavailable")
    assert await partner.journal(bet) == []


@pytest.mark.edge_case(38)
async def test_a_worker_that_dies_while_it_waits_for_an_accept_sends_nothing_more(stack: Stack) -> None:
    """The Accept comes while no worker runs."""
    partner = await _partner(stack)
    await partner.faults({"kind": "hold", "path": ACCEPT, "times": 1})
    bet, paying = await bet_with_stake_sent(partner, partner.pay_in)
    await partner.held()
    os.kill(stack.pid("worker-1"), signal.SIGKILL)
    await partner.release()
    await holds(lambda: movement(partner, bet, -1), lambda moved: moved.accept_code == "200")
    assert (await partner.row(bet)).state == "accepting"
    assert (await paying).code == 99
    assert (await until(lambda: partner.pay_in(bet), 60)).outcome == DONE
    assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
    assert await partner.journal(bet) == SETTLED
    assert await partner.sent(bet) == [-1, 1]


@pytest.mark.edge_case(39)
async def test_an_accept_before_the_answer_to_make(stack: Stack) -> None:
    partner = await _partner(stack, provider="")
    await partner.faults({"kind": "early", "path": ACCEPT})
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == DONE
    assert (await partner.pay_out(bet)).outcome == DONE
    assert await partner.journal(bet) == SETTLED
    assert sorted(await partner.sent(bet)) == [-1, 1]


@pytest.mark.edge_case(39)
async def test_an_accept_that_comes_twice_moves_nothing_more(stack: Stack) -> None:
    partner = await _partner(stack, provider="")
    await partner.faults({"kind": "repeat", "path": ACCEPT})
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == DONE
    assert (await partner.pay_out(bet)).outcome == DONE
    await holds(lambda: partner.accepts(bet), lambda told: [one["answer_code"] for one in told] == [200] * 4)
    assert await partner.journal(bet) == SETTLED
    assert await partner.incidents(bet) == []


@pytest.mark.edge_case(39)
async def test_of_two_accepts_that_contradict_each_other_the_first_stands(stack: Stack) -> None:
    partner = await _partner(stack, provider="")
    await partner.faults({"kind": "contradict", "error_code": 103802, "path": ACCEPT})
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == DONE
    await holds(lambda: partner.incidents(bet), lambda found: found == ["accept_contradicts"])
    assert [one["answer_code"] for one in await partner.accepts(bet)] == [200, 103803]
    assert (await partner.row(bet)).state == "acceptance"
    assert (await movement(partner, bet, -1)).accept_code == "200"


@pytest.mark.edge_case(39)
async def test_a_success_for_a_stake_that_ended_refused_goes_back(stack: Stack) -> None:
    partner = await _partner(stack, provider="")
    bet = partner.new_bet()
    # The casino says no and has the money; then it finds out.
    await partner.faults({"kind": "error_code", "error_code": 103802, "path": ACCEPT, "times": 1})
    assert (await partner.pay_in(bet)).outcome == (4, "no_money")
    row = await partner.row(bet)
    assert await partner.journal(bet) == STAKED
    assert (await partner.accept(_body(row.bet_id)))["ErrorCode"] == 200
    assert await partner.incidents(bet) == ["debited_after_the_end"]
    await holds(lambda: partner.journal(bet), lambda journal: journal == REFUNDED)
    assert (await partner.pay_in(bet)).outcome == (4, "no_money")
    assert (await partner.row(bet)).state == "refused"
    # Told once more, it goes back no second time.
    assert (await partner.accept(_body(row.bet_id)))["ErrorCode"] == 200
    assert await partner.incidents(bet) == ["debited_after_the_end"]


@pytest.mark.edge_case(39)
async def test_a_repeat_is_answered_from_the_row_when_the_workflow_is_gone(stack: Stack) -> None:
    partner = await _partner(stack, provider="")
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == DONE
    assert (await partner.pay_out(bet)).outcome == DONE
    await delete_workflow(partner, bet)
    row = await partner.row(bet)
    for kind, amount in SETTLED:
        theirs = (await movement(partner, bet, kind)).accept_transaction_id
        told = _body(row.bet_id, TransactionType=kind, Amount=amount, PartnerTransactionId=theirs)
        assert (await partner.accept(told))["ErrorCode"] == 200
        assert (await partner.accept(told | {"ErrorCode": 103802}))["ErrorCode"] == 103803
        assert (await partner.accept(told | {"Amount": "11.00"}))["ErrorCode"] == 103803
    assert await partner.row(bet) == row
    assert await partner.sent(bet) == [-1, 1]
    assert await partner.journal(bet) == SETTLED
    assert await partner.incidents(bet) == ["accept_contradicts"] * 4


@pytest.mark.edge_case(39)
async def test_an_accept_of_another_bet_or_of_none_changes_nothing(stack: Stack) -> None:
    partner, other = await _partner(stack, provider=""), await _partner(stack, provider="")
    bet = other.new_bet()
    assert (await other.pay_in(bet)).outcome == DONE
    bet_id = (await other.row(bet)).bet_id
    foreign, nobody = await partner.accept_raw(_body(bet_id)), await partner.accept_raw(_body(2**52))
    not_sent = await other.accept_raw(_body(bet_id, TransactionType=1, Amount="25.00"))
    assert foreign == nobody == not_sent
    assert json.loads(foreign)["ErrorCode"] == 103804
    assert (await movement(other, bet, -1)).accept_transaction_id != "t"
    assert await other.incidents(bet) == []


@pytest.mark.edge_case(39)
async def test_an_accept_that_is_malformed_is_refused_whole(stack: Stack) -> None:
    partner = await _partner(stack)
    await partner.faults({"kind": "drop", "path": ACCEPT})
    bet = await bet_with_unknown_outcome(partner, partner.pay_in)
    bet_id = (await partner.row(bet)).bet_id
    for wrong in ({"Amount": "ten"}, {"ErrorCode": 999}, {"TransactionType": 7}, {"PartnerUserId": None}):
        assert (await partner.accept(_body(bet_id, **wrong)))["ErrorCode"] == 103801
    assert (await movement(partner, bet, -1)).accept_code is None
    assert (await partner.accept(_body(bet_id)))["ErrorCode"] == 200
    assert (await until(lambda: partner.pay_in(bet))).outcome == DONE


@pytest.mark.edge_case(91)
async def test_a_casino_that_takes_each_make_and_refuses_it_by_accept_is_not_stormed(stack: Stack) -> None:
    partner = await _partner(stack, "{retry: {first: 0.5, factor: 2, cap: 2}}")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    refused = {"kind": "error_code", "error_code": 102823, "path": ACCEPT, "transaction_type": 1}
    await partner.faults(refused, {"kind": "error_code", "error_code": 103804, "path": "/payments/info"})
    assert (await partner.pay_out(bet)).code == 99
    await holds(partial(_credits, partner), lambda sends: len(sends) >= 4)
    # By our own clock: on a busy machine a send may reach the casino late, and the next one in time.
    query = """SELECT at FROM bet_event WHERE bet_id = :b AND kind = 'send' AND (data->>'type')::int = 1
               ORDER BY event_id LIMIT 4"""
    sends = [event.at for event in await partner.sql(query, b=(await partner.row(bet)).bet_id)]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(sends)]
    assert [gap >= least for gap, least in zip(gaps, (0.5, 1, 2), strict=True)] == [True] * 3, gaps
    await partner.faults()
    assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
    assert await partner.journal(bet) == SETTLED


async def _credits(partner: TestPartner) -> list[dict[str, Any]]:
    return [call for call in await partner.calls() if call["transaction_type"] == 1]


@pytest.mark.edge_case(92)
async def test_what_is_parked_hears_a_success_alone(stack: Stack) -> None:
    partner = await _partner(stack, "{retry: {first: 0.1, cap: 0.3}}")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults({"kind": "error_code", "error_code": 103805, "path": ACCEPT, "transaction_type": 1})
    assert (await partner.pay_out(bet)).code == 99
    await has_status(partner, bet, "parked", True)
    bet_id, sends = (await partner.row(bet)).bet_id, await partner.sent(bet)
    refusing = _body(bet_id, TransactionType=1, Amount="25.00", ErrorCode=103805, PartnerTransactionId=None)
    for _ in range(5):
        assert (await partner.accept(refusing))["ErrorCode"] in (200, 103803)
    await asyncio.sleep(1)
    assert (await movement(partner, bet, 1)).state == "parked"
    assert await partner.sent(bet) == sends
    assert (await partner.incidents(bet)).count("parked") == 1
    assert (await partner.accept(refusing | {"ErrorCode": 200, "PartnerTransactionId": "t"}))["ErrorCode"] == 200
    assert (await until(lambda: partner.pay_out(bet))).outcome == DONE
    assert (await partner.sent(bet), await partner.journal(bet)) == (sends, SETTLED)
