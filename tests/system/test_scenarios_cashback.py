"""Edge cases of cashbacks: repeats, order, and a casino that fails, by the command line and over HTTP."""

from typing import Any

import pytest

from betcore.db.database import DatabaseError
from betcore.db.statement import NoRow, Statement
from tests.cashbacks import CANCELLED, CREDIT, DEBIT, ISSUED, QUICK, SHORT_LIVED, Cashbacks, fault
from tests.partner import Stack, until
from tests.watch import holds

ACCEPT_SOON = "{accept_within: 1, effect_within: 1, clock_leeway: 0.1, retry: {first: 0.2, cap: 0.5}}"
LISTED = SHORT_LIVED.replace("}}", "}, cashback_info: true}")


async def _at(stack: Stack, casino: str = QUICK, confirmation: str = "reply") -> Cashbacks:
    return Cashbacks(await stack.partner(casino=casino, confirmation=confirmation))


# Repeats and identity


@pytest.mark.edge_case(200)
async def test_an_order_is_paid_once_however_often_it_is_sent(stack: Stack) -> None:
    cashbacks = await _at(stack)
    first = await cashbacks.issue("--request", "night", wait=60)
    again = await cashbacks.issue("--request", "night", wait=60)
    assert (first["state"], first["opened"], again["opened"]) == ("issued", "opened", "repeated")
    assert first["cashback_id"] == again["cashback_id"]
    refused = await cashbacks.issue("--request", "night", amount="6.00", ended=1)
    assert refused["error"]["code"] == "operation_refused"
    assert await cashbacks.journal(first["cashback_id"]) == ISSUED
    assert await cashbacks.balance() == "1005.00"
    [send] = await cashbacks.sends(first["cashback_id"])
    assert send["transaction_id"] == f"{first['cashback_id']}:1"


@pytest.mark.edge_case(201)
async def test_orders_of_two_casinos_may_have_one_name(stack: Stack) -> None:
    one, other = await _at(stack), await _at(stack)
    first, second = await one.issue("--request", "same", wait=60), await other.issue("--request", "same", wait=60)
    assert first["cashback_id"] != second["cashback_id"]
    assert await one.balance() == await other.balance() == "1005.00"


@pytest.mark.edge_case(202)
async def test_a_repeat_while_it_is_under_way_sends_nothing(stack: Stack) -> None:
    cashbacks = await _at(stack)
    await cashbacks.partner.faults(fault("hold", CREDIT))
    number = (await cashbacks.issue("--request", "night"))["cashback_id"]
    await cashbacks.partner.held()
    await cashbacks.partner.sessions.block(cashbacks.partner.casino, "anna", blocked=True)
    again = await cashbacks.issue("--request", "night")
    assert (again["cashback_id"], again["opened"], again["state"]) == (number, "repeated", "issuing")
    assert len(await cashbacks.sends(number)) == 1
    await cashbacks.partner.faults(fault("error_code", CREDIT, error_code=103805))
    parked = (await cashbacks.issue("--request", "another"))["cashback_id"]
    await cashbacks.parked(parked, CREDIT)
    again = await cashbacks.issue("--request", "another")
    assert (again["cashback_id"], again["opened"]) == (parked, "repeated")
    await cashbacks.partner.release()
    await cashbacks.in_state(number, "issued")
    assert await cashbacks.journal(number) == ISSUED
    assert (len(await cashbacks.sends(parked)), await cashbacks.movements(parked)) == (1, {CREDIT: "parked"})


@pytest.mark.edge_case(200, 203)
async def test_a_repeat_after_its_end_is_answered_from_the_row(stack: Stack) -> None:
    cashbacks = await _at(stack)
    number = (await cashbacks.issue("--request", "night", wait=60))["cashback_id"]
    assert (await cashbacks.cancel(number, wait=60))["state"] == "cancelled"
    assert (await cashbacks.cancel(number))["asked"] == "before"
    assert (await cashbacks.issue("--request", "night"))["state"] == "cancelled"
    assert await cashbacks.journal(number) == CANCELLED
    assert await cashbacks.balance() == "1000.00"
    assert len(await cashbacks.sends(number)) == 2


@pytest.mark.edge_case(203)
async def test_a_cancel_that_is_asked_for_twice_is_one(stack: Stack) -> None:
    cashbacks = await _at(stack)
    number = await cashbacks.issued()
    await cashbacks.partner.faults(fault("hold", DEBIT))
    assert (await cashbacks.cancel(number))["asked"] == "now"
    await cashbacks.partner.held()
    assert (await cashbacks.cancel(number))["asked"] == "before"
    await cashbacks.partner.faults()
    await cashbacks.partner.release()
    await cashbacks.in_state(number, "cancelled")
    assert await cashbacks.journal(number) == CANCELLED


# Order


@pytest.mark.edge_case(204)
async def test_a_cancel_before_the_issue_is_confirmed_waits_for_its_end(stack: Stack) -> None:
    cashbacks = await _at(stack)
    await cashbacks.partner.faults(fault("error", CREDIT))
    number = (await cashbacks.issue())["cashback_id"]
    await cashbacks.sent(number, 2)
    asked = await cashbacks.cancel(number)
    assert (asked["asked"], asked["state"]) == ("now", "issuing")
    assert [send["transaction_type"] for send in await cashbacks.sends(number)][-1] == CREDIT
    await cashbacks.partner.faults()
    await cashbacks.in_state(number, "cancelled")
    assert await cashbacks.journal(number) == CANCELLED
    assert await cashbacks.balance() == "1000.00"


@pytest.mark.edge_case(205)
async def test_a_cancel_of_what_is_no_cashback_changes_nothing(stack: Stack) -> None:
    cashbacks = await _at(stack)
    bet = cashbacks.partner.new_bet()
    assert (await until(lambda: cashbacks.partner.pay_in(bet))).code == 1
    row = await cashbacks.partner.row(bet)
    for number in (row.bet_id, 77):
        assert (await cashbacks.cancel(number, ended=1))["error"]["code"] == "not_found"
    assert await cashbacks.partner.row(bet) == row
    with pytest.raises(DatabaseError, match="a bet has this number"):
        await cashbacks.partner.stack.database.execute(
            Statement(NoRow, _NUMBERED), number=row.bet_id, casino=cashbacks.partner.casino
        )


_NUMBERED = """
INSERT INTO cashback (cashback_id, casino_id, player_id, currency, amount, source, key, reason)
SELECT :number, casino_id, player_id, 'EUR', 500, 'import', 'import:1:1', 'a test'
FROM casino JOIN player USING (casino_id) WHERE casino.name = :casino
"""


# The casino's wallet fails


@pytest.mark.edge_case(206)
@pytest.mark.parametrize("kind", ["error", "lost", "drop", "garbage", "missing", "wrong_bet", "wrong_type", "cut"])
async def test_it_arrives_though_the_casino_fails_twice(stack: Stack, kind: str) -> None:
    cashbacks = await _at(stack)
    await cashbacks.partner.faults(fault(kind, CREDIT, 2))
    found = await cashbacks.issue(wait=60)
    assert found["state"] == "issued"
    number = found["cashback_id"]
    assert await cashbacks.journal(number) == ISSUED
    assert await cashbacks.balance() == "1005.00"
    sends = await cashbacks.sends(number)
    assert len(sends) == 3
    assert {(one["transaction_id"], one["amount"], one["partner_user_id"]) for one in sends} == {
        (f"{number}:1", "5.00", "anna")
    }


@pytest.mark.edge_case(207)
async def test_a_casino_that_does_not_know_us_is_asked_until_it_does(stack: Stack) -> None:
    cashbacks = await _at(stack)
    await cashbacks.partner.faults(fault("status", CREDIT, 3, status=401))
    number = (await cashbacks.issue())["cashback_id"]
    await cashbacks.in_state(number, "issued")
    assert await cashbacks.journal(number) == ISSUED


@pytest.mark.edge_case(208)
@pytest.mark.parametrize("casino", [QUICK, "{retry: {first: 0.1, cap: 0.3}, cashback_info: true}"])
async def test_a_duplicate_on_a_repeat_is_done(stack: Stack, casino: str) -> None:
    cashbacks = await _at(stack, casino)
    await cashbacks.partner.switches(repeats="duplicate", cashback_info="cashback_info" in casino)
    await cashbacks.partner.faults(fault("lost", CREDIT, 1))
    number = (await cashbacks.issue())["cashback_id"]
    await cashbacks.in_state(number, "issued")
    assert await cashbacks.journal(number) == ISSUED
    asked = [call for call in await cashbacks.partner.calls() if call["path"] == "/payments/info"]
    assert bool(asked) == ("cashback_info" in casino)


@pytest.mark.edge_case(208)
async def test_a_duplicate_of_the_first_send_is_a_persons(stack: Stack) -> None:
    cashbacks = await _at(stack)
    await cashbacks.partner.faults(fault("error_code", CREDIT, error_code=103803))
    number = (await cashbacks.issue())["cashback_id"]
    await cashbacks.parked(number, CREDIT)
    assert await cashbacks.incidents(number) == ["parked"]
    assert await cashbacks.journal(number) == []


@pytest.mark.edge_case(209)
async def test_a_refusal_parks_it_and_an_operator_sends_it_again(stack: Stack) -> None:
    cashbacks = await _at(stack)
    await cashbacks.partner.faults(fault("error_code", CREDIT, error_code=103805))
    number = (await cashbacks.issue())["cashback_id"]
    await cashbacks.parked(number, CREDIT)
    assert await cashbacks.incidents(number) == ["parked"]
    shown = await cashbacks.command("ops", "show", str(number))
    assert (shown["cashback"]["state"], shown["movements"][0]["state"]) == ("issuing", "parked")
    await holds(lambda: _stuck(cashbacks, number), bool)
    [incident] = (await cashbacks.command("incident", "list", "--bet-id", str(number)))["incidents"]
    assert (incident["bet_id"], incident["casino"], incident["bet_state"]) == (
        number,
        cashbacks.partner.casino,
        "issuing",
    )
    await cashbacks.partner.faults()
    assert (await cashbacks.operate("retry", number))["done"]
    await cashbacks.in_state(number, "issued")
    assert await cashbacks.journal(number) == ISSUED
    refused = await cashbacks.operate("retry", number, ended=1)
    assert refused["error"]["message"].startswith("the cashback is issued: ")


async def _stuck(cashbacks: Cashbacks, number: int) -> list[Any]:
    found = await cashbacks.command("ops", "stuck", "--casino", cashbacks.partner.casino)
    return [one for one in found["stuck"] if one["bet_id"] == number]


@pytest.mark.edge_case(209)
async def test_two_operators_mark_a_large_one_as_paid(stack: Stack) -> None:
    cashbacks = await _at(stack, SHORT_LIVED.replace("}}", "}, approval_above: {EUR: 1}}"))
    await cashbacks.partner.faults(fault("error_code", CREDIT, error_code=103805))
    await cashbacks.issue("--request", "large", "--operator", "bob")
    number = (await cashbacks.issue("--request", "large"))["cashback_id"]
    await cashbacks.parked(number, CREDIT)
    assert not (await cashbacks.operate("mark-paid", number, "ann"))["done"]
    await cashbacks.operate("mark-paid", number, "Ann ", ended=1)
    assert (await cashbacks.operate("mark-paid", number, "bob"))["done"]
    await cashbacks.in_state(number, "issued")
    assert await cashbacks.movements(number) == {CREDIT: "paid_by_hand"}
    assert await cashbacks.journal(number) == []


@pytest.mark.edge_case(223)
async def test_two_operators_issue_a_large_one(stack: Stack) -> None:
    cashbacks = await _at(stack, "{approval_above: {EUR: 4.99}}")
    unnamed = await cashbacks.issue(ended=1)
    assert unnamed["error"]["code"] == "invalid_operation"
    first = await cashbacks.issue("--request", "large")
    assert (first["opened"], first["amount"]) == ("proposed", "EUR 5.00")
    again = await cashbacks.issue("--request", "large", "--operator", "Ann ", ended=1)
    assert again["error"]["code"] == "operation_refused"
    # Another amount is another proposal, and so is the first one after it.
    assert (await cashbacks.issue("--request", "large", "--operator", "bob", amount="6.00"))["opened"] == "proposed"
    assert (await cashbacks.issue("--request", "large"))["opened"] == "proposed"
    assert await cashbacks.partner.sql("SELECT FROM cashback JOIN casino USING (casino_id) WHERE name = :n",
                                       n=cashbacks.partner.casino) == []  # fmt: skip
    opened = await cashbacks.issue("--request", "large", "--operator", "bob", wait=60)
    assert (opened["opened"], opened["state"], opened["reason"]) == ("opened", "issued", "a test; a test")
    repeated = await cashbacks.issue("--request", "large", "--operator", "carl")
    assert (repeated["opened"], repeated["cashback_id"]) == ("repeated", opened["cashback_id"])
    assert await cashbacks.journal(opened["cashback_id"]) == ISSUED
    [event] = await cashbacks.partner.sql(
        "SELECT data FROM bet_event WHERE bet_id = :c AND kind = 'cashback'", c=opened["cashback_id"]
    )
    assert event.data["operator"] == "ann, bob"
    small = await cashbacks.issue(amount="4.99", wait=60)
    assert (small["opened"], small["state"]) == ("opened", "issued")


@pytest.mark.edge_case(210)
async def test_what_is_owed_while_the_casino_is_down_arrives_when_it_is_back(stack: Stack) -> None:
    breaker = "{retry: {first: 0.1, cap: 0.3}, breaker: {failures: 2, window: 60, probe_every: 0.3}}"
    cashbacks = await _at(stack, breaker)
    await cashbacks.partner.faults({"kind": "drop"})
    numbers = [(await cashbacks.issue())["cashback_id"] for _ in range(3)]
    await holds(cashbacks.partner.calls, lambda calls: len(calls) > 5)
    owed = (await cashbacks.command("ops", "owed", "--casino", cashbacks.partner.casino))["owed"]
    assert sum(one["bets"] for one in owed) == 3
    await cashbacks.partner.faults()
    for number in numbers:
        await cashbacks.in_state(number, "issued")
        assert await cashbacks.journal(number) == ISSUED
    assert await cashbacks.balance() == "1015.00"


@pytest.mark.edge_case(211)
async def test_a_casino_confirms_by_accept(stack: Stack) -> None:
    cashbacks = await _at(stack, ACCEPT_SOON, "accept")
    number = await cashbacks.issued()
    assert (await cashbacks.cancel(number, wait=60))["state"] == "cancelled"
    assert await cashbacks.journal(number) == CANCELLED
    assert len(await cashbacks.sends(number)) == 2


@pytest.mark.edge_case(211)
async def test_an_issue_whose_accept_is_lost_is_made_again(stack: Stack) -> None:
    cashbacks = await _at(stack, ACCEPT_SOON, "accept")
    await cashbacks.partner.faults({"kind": "drop", "path": "/cashback-payments/accept", "times": 1})
    number = await cashbacks.issued()
    assert len(await cashbacks.sends(number)) == 2
    assert await cashbacks.journal(number) == ISSUED


@pytest.mark.edge_case(211)
async def test_a_refusing_accept_parks_the_issue_and_ends_the_cancel(stack: Stack) -> None:
    cashbacks = await _at(stack, ACCEPT_SOON, "accept")
    parked = (await cashbacks.issue())["cashback_id"] if await _blocks(cashbacks) else 0
    await cashbacks.parked(parked, CREDIT)
    await cashbacks.partner.faults()
    number = await cashbacks.issued()
    await cashbacks.partner.seat("anna", "1.00")
    assert (await cashbacks.cancel(number, wait=60))["state"] == "issued"
    assert await cashbacks.movements(number) == {CREDIT: "done", DEBIT: "refused"}


async def _blocks(cashbacks: Cashbacks) -> bool:
    accept = {"kind": "error_code", "error_code": 103805, "path": "/cashback-payments/accept"}
    await cashbacks.partner.faults(accept)
    return True


@pytest.mark.edge_case(212)
async def test_accepts_that_come_early_twice_or_contradict(stack: Stack) -> None:
    cashbacks = await _at(stack, "{retry: {first: 0.1, cap: 0.3}}", "accept")
    path = "/cashback-payments/accept"
    for kind in ("early", "repeat"):
        await cashbacks.partner.faults({"kind": kind, "path": path, "times": 1})
        number = await cashbacks.issued()
        assert await cashbacks.journal(number) == ISSUED
        assert await cashbacks.incidents(number) == []
    await cashbacks.partner.faults({"kind": "contradict", "path": path, "times": 1})
    number = await cashbacks.issued()
    await holds(lambda: cashbacks.incidents(number), lambda found: found == ["accept_contradicts"])
    assert (await cashbacks.row(number)).state == "issued"


@pytest.mark.edge_case(212)
async def test_an_accept_of_another_casino_or_of_nothing_is_not_found(stack: Stack) -> None:
    cashbacks, other = await _at(stack, QUICK, "accept"), await _at(stack, QUICK, "accept")
    number = await cashbacks.issued()
    repeated = await cashbacks.accept(number)
    assert (repeated["ErrorCode"], repeated["Message"]) == (103803, "other_outcome: this contradicts what is recorded")
    assert (await other.accept(number))["ErrorCode"] == (await cashbacks.accept(77))["ErrorCode"] == 103804
    assert (await cashbacks.accept(number, TransactionType=-2))["ErrorCode"] == 103804
    # Nor is it a bet.
    bet = {"BetId": number, "TransactionType": 1, "PartnerUserId": "anna", "Amount": "5.00"}
    found = await cashbacks.partner.accept(bet | {"PartnerTransactionId": "t", "ErrorCode": 200})
    assert found["ErrorCode"] == 103804
    assert (await cashbacks.accept(number, Amount="5.01"))["ErrorCode"] == 103803
    assert (await cashbacks.accept(number, Amount="much"))["ErrorCode"] == 103801
    assert "accept_unreadable" in await cashbacks.incidents(number)


# Cancel


@pytest.mark.edge_case(213)
async def test_a_cancel_of_what_is_spent_is_refused_for_good(stack: Stack) -> None:
    cashbacks = await _at(stack)
    number = await cashbacks.issued()
    await cashbacks.partner.seat("anna", "1.00")
    assert (await cashbacks.cancel(number, wait=60))["state"] == "issued"
    assert await cashbacks.incidents(number) == ["cashback_not_cancelled"]
    await cashbacks.partner.seat("anna", "1000.00")
    refused = await cashbacks.cancel(number, ended=1)
    assert refused["error"]["code"] == "operation_refused"
    assert await cashbacks.journal(number) == ISSUED
    assert len(await cashbacks.sends(number)) == 2


@pytest.mark.edge_case(214)
async def test_a_refusal_of_a_repeated_cancel_is_not_trusted(stack: Stack) -> None:
    cashbacks = await _at(stack, SHORT_LIVED)
    number = await cashbacks.cancelling(fault("lost", DEBIT, 1), fault("error_code", DEBIT, error_code=103802))
    await cashbacks.parked(number, DEBIT)
    assert (await cashbacks.row(number)).state == "cancelling"
    assert await cashbacks.journal(number) == CANCELLED


@pytest.mark.edge_case(215)
async def test_a_cancel_without_an_answer_is_parked_for_two_people(stack: Stack) -> None:
    cashbacks = await _at(stack, SHORT_LIVED)
    number = await cashbacks.cancelling(fault("lost", DEBIT))
    await cashbacks.parked(number, DEBIT)
    assert await cashbacks.incidents(number) == ["parked"]
    assert not [call for call in await cashbacks.partner.calls() if call["path"] == "/payments/info"]
    # A repeat of it would be too late: it is parked again.
    sends = len(await cashbacks.sends(number))
    assert (await cashbacks.operate("retry", number))["done"]
    await holds(lambda: cashbacks.incidents(number), lambda found: found == ["parked"] * 2)
    assert len(await cashbacks.sends(number)) == sends
    assert not (await cashbacks.operate("mark-taken", number, "ann"))["done"]
    assert (await cashbacks.operate("mark-taken", number, "bob"))["done"]
    await cashbacks.in_state(number, "cancelled")
    assert await cashbacks.journal(number) == CANCELLED


@pytest.mark.edge_case(215)
async def test_a_cancel_that_was_not_taken_can_be_asked_for_again(stack: Stack) -> None:
    cashbacks = await _at(stack, SHORT_LIVED)
    number = await cashbacks.cancelling(fault("drop", DEBIT))
    await cashbacks.parked(number, DEBIT)
    for operator in ("ann", "bob"):
        await cashbacks.operate("mark-not-taken", number, operator)
    await cashbacks.in_state(number, "issued")
    assert await cashbacks.movements(number) == {CREDIT: "done", DEBIT: "absent"}
    await cashbacks.partner.faults()
    assert (await cashbacks.cancel(number, wait=60))["state"] == "cancelled"
    assert await cashbacks.journal(number) == CANCELLED
    assert {send["transaction_id"] for send in await cashbacks.sends(number)} == {f"{number}:1", f"{number}:-2"}


@pytest.mark.edge_case(216)
@pytest.mark.parametrize(("kind", "state", "journal"), [("lost", "cancelled", CANCELLED), ("drop", "issued", ISSUED)])
async def test_a_casino_that_lists_cashbacks_is_asked(
    stack: Stack, kind: str, state: str, journal: list[tuple[int, str]]
) -> None:
    cashbacks = await _at(stack, LISTED)
    await cashbacks.partner.switches(cashback_info=True)
    number = await cashbacks.cancelling(fault(kind, DEBIT))
    await holds(lambda: cashbacks.row(number), lambda row: row.closed_at is not None and row.state == state)
    assert await cashbacks.journal(number) == journal
    asked = [call for call in await cashbacks.partner.calls() if call["path"] == "/payments/info"]
    assert {call["bet_id"] for call in asked} == {number}
    assert len(asked) >= (1 if kind == "lost" else 2)


@pytest.mark.edge_case(217)
async def test_a_success_after_the_cancel_has_ended_without_it_is_an_incident(stack: Stack) -> None:
    cashbacks = await _at(stack, ACCEPT_SOON, "accept")
    number = await cashbacks.issued()
    await cashbacks.partner.seat("anna", "1.00")
    assert (await cashbacks.cancel(number, wait=60))["state"] == "issued"
    told = await cashbacks.accept(number, TransactionType=-2, PartnerTransactionId="late")
    assert told["ErrorCode"] == 103803
    assert await cashbacks.incidents(number) == ["cashback_not_cancelled", "accept_contradicts"]


# What waits for its turn


@pytest.mark.edge_case(218)
async def test_what_no_command_has_started_is_started_in_its_turn(stack: Stack) -> None:
    cashbacks = await _at(stack)
    query = """
        INSERT INTO cashback (casino_id, player_id, currency, amount, source, key, reason)
        SELECT casino_id, player_id, 'EUR', 500, 'import', 'import:1:' || n, 'a test'
        FROM casino JOIN player USING (casino_id), generate_series(1, 5) AS n
        WHERE casino.name = :c AND partner_user_id = 'anna'
        RETURNING cashback_id
    """
    async with cashbacks.partner.stack.engine.begin() as connection:
        from sqlalchemy import text

        numbers = [row[0] for row in await connection.execute(text(query), {"c": cashbacks.partner.casino})]
    await cashbacks.partner.stack.client.get_schedule_handle("cashbacks").trigger()
    for number in numbers:
        await cashbacks.in_state(number, "issued")
        assert await cashbacks.journal(number) == ISSUED
    listed = (await cashbacks.command("cashback", "list", "--casino", cashbacks.partner.casino))["cashbacks"]
    assert [one["cashback_id"] for one in listed] == sorted(numbers, reverse=True)
    assert (await cashbacks.command("cashback", "list", "--casino", cashbacks.partner.casino, "--open"))[
        "cashbacks"
    ] == []
