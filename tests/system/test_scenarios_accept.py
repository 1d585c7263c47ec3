"""Edge cases 38 and 39: a casino that takes a movement and confirms it later, over HTTP on both sides."""

import asyncio
import json
import os
import signal
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from tests.system.scenarios import BACK, DONE, HASTY, REFUNDED, SETTLED, STAKED, forget, taken, undecided, under_way
from tests.table import Stack, Table, until
from tests.watch import at, has_status, holds, in_state, movement

ACCEPT = "/payments/accept"
# What nobody knows of is decided soon: this casino applies at once what it takes.
SOON = "{accept_within: 1, effect_within: 1, clock_leeway: 0.1, message_lifetime: 1, retry: {first: 0.2, cap: 0.5}}"


@pytest.fixture(scope="module")
def stack(sweeping: Stack) -> Stack:
    """Its only worker is the one that waits for an Accept."""
    return sweeping


async def _table(stack: Stack, casino: str = "", provider: str = HASTY) -> Table:
    return await stack.table(provider, casino, "accept")


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
    table = await _table(stack, provider="")
    won, back, once = table.new_bet(), table.new_bet(), table.new_bet()
    answer = await table.pay_in(won)
    assert (answer.said, answer.body["balance"]) == (DONE, 990)
    assert (await table.pay_out(won)).said == DONE
    assert (await table.pay_in(back)).said == DONE
    assert (await table.refund(back)).said == DONE
    assert (await table.pay_in_out(once)).said == DONE
    assert (await table.refund(once)).said == DONE
    assert await table.journal(won) == SETTLED
    assert await table.journal(back) == REFUNDED
    assert await table.journal(once) == BACK
    # One send and one Accept for each movement.
    for bet in (won, back, once):
        assert len(await table.sent(bet)) == len(await table.accepts(bet)) == len(await table.journal(bet))


@pytest.mark.edge_case(38)
async def test_a_refusal_by_accept_is_final(stack: Stack) -> None:
    table = await _table(stack, provider="")
    poor, blocked = await table.seat("poor", "1.00"), await table.seat("blocked")
    at_casino = f"/_players/{table.partner_client_id}/blocked"
    await table.at_casino("PATCH", at_casino, json={"blocked": True})
    refused = {poor: (4, "no_money"), blocked: (7, "player_blocked")}
    bets = {session: table.new_bet() for session in refused}
    assert {session: (await table.pay_in(bet, session=session)).said for session, bet in bets.items()} == refused
    # Nor does it change with what it was for.
    await table.seat("poor", "1000.00")
    await table.at_casino("PATCH", at_casino, json={"blocked": False})
    assert {session: (await table.pay_in(bet, session=session)).said for session, bet in bets.items()} == refused
    for bet in bets.values():
        assert (await table.journal(bet), await table.sent(bet)) == ([], [-1])


@pytest.mark.edge_case(38)
async def test_a_claw_back_that_an_accept_refuses_leaves_the_bet_settled(stack: Stack) -> None:
    table = await _table(stack, provider="")
    bet = table.new_bet()
    assert (await table.pay_in_out(bet)).said == DONE
    # The win is spent.
    await table.seat("anna", "5.00")
    assert (await table.refund(bet)).said == (7, "casino_refused")
    assert (await table.refund(bet)).said == (7, "casino_refused")
    assert await table.journal(bet) == SETTLED
    assert await table.sent(bet) == [-1, 1, -2]
    assert await table.incidents(bet) == ["reversal_refused"]


@pytest.mark.edge_case(38)
async def test_an_accept_that_takes_longer_than_the_provider_waits_is_waited_for(stack: Stack) -> None:
    table = await _table(stack)
    await table.faults({"kind": "delay", "delay": 4, "path": ACCEPT})
    bet = await undecided(table, table.pay_in)
    # As soon as it is there, and not when its time is up.
    assert (await until(lambda: table.pay_in(bet), 15)).said == DONE
    assert await table.sent(bet) == [-1]
    assert await table.journal(bet) == STAKED


@pytest.mark.edge_case(38)
async def test_a_credit_whose_accept_is_lost_is_made_again(stack: Stack) -> None:
    table = await _table(stack, SOON)
    bet = await taken(table, table.pay_in)
    await table.faults({"kind": "drop", "path": ACCEPT, "times": 1})
    assert (await until(lambda: table.pay_out(bet))).said == DONE
    row = await table.row(bet)
    sends = [call for call in await table.calls() if call["bet_id"] == row.bet_id and call["transaction_type"] == 1]
    assert len(sends) == 2
    assert {send["transaction_id"] for send in sends} == {f"{row.bet_id}:1"}
    assert await table.journal(bet) == SETTLED


@pytest.mark.edge_case(38)
async def test_a_debit_whose_accept_is_lost_is_looked_for(stack: Stack) -> None:
    table = await _table(stack, SOON)
    await table.faults({"kind": "drop", "path": ACCEPT})
    bet = await undecided(table, table.pay_in)
    await in_state(table, bet, "acceptance")
    assert (await until(lambda: table.pay_in(bet))).said == DONE
    assert "/payments/info" in [call["path"] for call in await table.calls()]
    await table.faults()
    assert (await until(lambda: table.pay_out(bet))).said == DONE
    assert await table.journal(bet) == SETTLED


@pytest.mark.edge_case(38)
async def test_a_debit_that_the_casino_has_refused_without_a_word_is_looked_for_in_vain(stack: Stack) -> None:
    table = await _table(stack, SOON)
    poor = await table.seat("poor", "1.00")
    await table.faults({"kind": "drop", "path": ACCEPT})
    bet = await undecided(table, partial(table.pay_in, session=poor))
    await in_state(table, bet, "refused")
    assert [call["path"] for call in await table.calls()].count("/payments/info") == 2
    assert (await table.pay_in(bet, session=poor)).said == (7, "casino_unavailable")
    assert await table.journal(bet) == []


@pytest.mark.edge_case(38)
async def test_a_worker_that_dies_while_it_waits_for_an_accept_sends_nothing_more(stack: Stack) -> None:
    """The Accept comes while nobody works."""
    table = await _table(stack)
    await table.faults({"kind": "hold", "path": ACCEPT, "times": 1})
    bet, paying = await under_way(table, table.pay_in)
    await table.held()
    os.kill(stack.pid("worker-1"), signal.SIGKILL)
    await table.release()
    await holds(lambda: movement(table, bet, -1), lambda moved: moved.accept_code == "200")
    assert (await table.row(bet)).state == "accepting"
    assert (await paying).code == 99
    assert (await until(lambda: table.pay_in(bet), 60)).said == DONE
    assert (await until(lambda: table.pay_out(bet))).said == DONE
    assert await table.journal(bet) == SETTLED
    assert await table.sent(bet) == [-1, 1]


@pytest.mark.edge_case(39)
async def test_an_accept_before_the_answer_to_make(stack: Stack) -> None:
    table = await _table(stack, provider="")
    await table.faults({"kind": "early", "path": ACCEPT})
    bet = table.new_bet()
    assert (await table.pay_in(bet)).said == DONE
    assert (await table.pay_out(bet)).said == DONE
    assert await table.journal(bet) == SETTLED
    assert sorted(await table.sent(bet)) == [-1, 1]


@pytest.mark.edge_case(39)
async def test_an_accept_that_comes_twice_moves_nothing_more(stack: Stack) -> None:
    table = await _table(stack, provider="")
    await table.faults({"kind": "repeat", "path": ACCEPT})
    bet = table.new_bet()
    assert (await table.pay_in(bet)).said == DONE
    assert (await table.pay_out(bet)).said == DONE
    await holds(lambda: table.accepts(bet), lambda told: [one["answer_code"] for one in told] == [200] * 4)
    assert await table.journal(bet) == SETTLED
    assert await table.incidents(bet) == []


@pytest.mark.edge_case(39)
async def test_of_two_accepts_that_contradict_each_other_the_first_stands(stack: Stack) -> None:
    table = await _table(stack, provider="")
    await table.faults({"kind": "contradict", "error_code": 103802, "path": ACCEPT})
    bet = table.new_bet()
    assert (await table.pay_in(bet)).said == DONE
    await holds(lambda: table.incidents(bet), lambda found: found == ["accept_contradicts"])
    assert [one["answer_code"] for one in await table.accepts(bet)] == [200, 103803]
    assert (await table.row(bet)).state == "acceptance"
    assert (await movement(table, bet, -1)).accept_code == "200"


@pytest.mark.edge_case(39)
async def test_a_success_for_a_stake_that_ended_refused_goes_back(stack: Stack) -> None:
    table = await _table(stack, provider="")
    bet = table.new_bet()
    # The casino says no and has the money; then it finds out.
    await table.faults({"kind": "error_code", "error_code": 103802, "path": ACCEPT, "times": 1})
    assert (await table.pay_in(bet)).said == (4, "no_money")
    row = await table.row(bet)
    assert await table.journal(bet) == STAKED
    assert (await table.accept(_body(row.bet_id)))["ErrorCode"] == 200
    assert await table.incidents(bet) == ["debited_after_the_end"]
    await holds(lambda: table.journal(bet), lambda journal: journal == REFUNDED)
    assert (await table.pay_in(bet)).said == (4, "no_money")
    assert (await table.row(bet)).state == "refused"
    # Told once more, it goes back no second time.
    assert (await table.accept(_body(row.bet_id)))["ErrorCode"] == 200
    assert await table.incidents(bet) == ["debited_after_the_end"]


@pytest.mark.edge_case(39)
async def test_a_repeat_is_answered_from_the_row_when_the_workflow_is_gone(stack: Stack) -> None:
    table = await _table(stack, provider="")
    bet = table.new_bet()
    assert (await table.pay_in(bet)).said == DONE
    assert (await table.pay_out(bet)).said == DONE
    await forget(table, bet)
    row = await table.row(bet)
    for kind, amount in SETTLED:
        theirs = (await movement(table, bet, kind)).accept_transaction_id
        told = _body(row.bet_id, TransactionType=kind, Amount=amount, PartnerTransactionId=theirs)
        assert (await table.accept(told))["ErrorCode"] == 200
        assert (await table.accept(told | {"ErrorCode": 103802}))["ErrorCode"] == 103803
        assert (await table.accept(told | {"Amount": "11.00"}))["ErrorCode"] == 103803
    assert await table.row(bet) == row
    assert await table.sent(bet) == [-1, 1]
    assert await table.journal(bet) == SETTLED
    assert await table.incidents(bet) == ["accept_contradicts"] * 4


@pytest.mark.edge_case(39)
async def test_an_accept_of_another_bet_or_of_none_tells_nothing(stack: Stack) -> None:
    table, other = await _table(stack, provider=""), await _table(stack, provider="")
    bet = other.new_bet()
    assert (await other.pay_in(bet)).said == DONE
    bet_id = (await other.row(bet)).bet_id
    foreign, nobody = await table.accept_raw(_body(bet_id)), await table.accept_raw(_body(2**52))
    not_sent = await other.accept_raw(_body(bet_id, TransactionType=1, Amount="25.00"))
    assert foreign == nobody == not_sent
    assert json.loads(foreign)["ErrorCode"] == 103804
    assert (await movement(other, bet, -1)).accept_transaction_id != "t"
    assert await other.incidents(bet) == []


@pytest.mark.edge_case(39)
async def test_an_accept_that_is_malformed_is_refused_whole(stack: Stack) -> None:
    table = await _table(stack)
    await table.faults({"kind": "drop", "path": ACCEPT})
    bet = await undecided(table, table.pay_in)
    bet_id = (await table.row(bet)).bet_id
    for wrong in ({"Amount": "ten"}, {"ErrorCode": 999}, {"TransactionType": 7}, {"PartnerUserId": None}):
        assert (await table.accept(_body(bet_id, **wrong)))["ErrorCode"] == 103801
    assert (await movement(table, bet, -1)).accept_code is None
    assert (await table.accept(_body(bet_id)))["ErrorCode"] == 200
    assert (await until(lambda: table.pay_in(bet))).said == DONE


@pytest.mark.edge_case(91)
async def test_a_casino_that_takes_each_make_and_refuses_it_by_accept_is_not_stormed(stack: Stack) -> None:
    table = await _table(stack, "{retry: {first: 0.5, factor: 2, cap: 2}}")
    bet = await taken(table, table.pay_in)
    refused = {"kind": "error_code", "error_code": 102823, "path": ACCEPT, "transaction_type": 1}
    await table.faults(refused, {"kind": "error_code", "error_code": 103804, "path": "/payments/info"})
    assert (await table.pay_out(bet)).code == 99
    await holds(partial(_credits, table), lambda sends: len(sends) >= 4)
    sends = [at(call) for call in await _credits(table)]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(sends[:4])]
    assert [gap >= least for gap, least in zip(gaps, (0.5, 1, 2), strict=True)] == [True] * 3, gaps
    await table.faults()
    assert (await until(lambda: table.pay_out(bet))).said == DONE
    assert await table.journal(bet) == SETTLED


async def _credits(table: Table) -> list[dict[str, Any]]:
    return [call for call in await table.calls() if call["transaction_type"] == 1]


@pytest.mark.edge_case(92)
async def test_what_is_parked_hears_a_success_alone(stack: Stack) -> None:
    table = await _table(stack, "{retry: {first: 0.1, cap: 0.3}}")
    bet = await taken(table, table.pay_in)
    await table.faults({"kind": "error_code", "error_code": 103805, "path": ACCEPT, "transaction_type": 1})
    assert (await table.pay_out(bet)).code == 99
    await has_status(table, bet, "parked", True)
    bet_id, sends = (await table.row(bet)).bet_id, await table.sent(bet)
    refusing = _body(bet_id, TransactionType=1, Amount="25.00", ErrorCode=103805, PartnerTransactionId=None)
    for _ in range(5):
        assert (await table.accept(refusing))["ErrorCode"] in (200, 103803)
    await asyncio.sleep(1)
    assert (await movement(table, bet, 1)).state == "parked"
    assert await table.sent(bet) == sends
    assert (await table.incidents(bet)).count("parked") == 1
    assert (await table.accept(refusing | {"ErrorCode": 200, "PartnerTransactionId": "t"}))["ErrorCode"] == 200
    assert (await until(lambda: table.pay_out(bet))).said == DONE
    assert (await table.sent(bet), await table.journal(bet)) == (sends, SETTLED)
