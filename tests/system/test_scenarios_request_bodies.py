"""Edge cases 98, 99 and 104: free rounds, winnings that cannot be read, bodies signed for another operation."""

import pytest

from betcore import xsign
from tests.system.scenarios import DONE, UNKNOWN
from tests.table import Answer, Stack, Table

MALFORMED = (2, "malformed")


def _raw(bet: str, amount: str, operation: str = "pay-out") -> bytes:
    stake = '"betAmount":"10.00",' if operation == "pay-in-out" else ""
    return f'{{"betId":"{bet}",{stake}"gameRoundId":"round-1","winAmount":{amount}}}'.encode()


async def _post(table: Table, operation: str, body: bytes) -> Answer:
    return await table.call("POST", f"/v1/sessions/{table.session_id}/bets/{operation}", body)


async def _incidents(table: Table, bet: str) -> list[str]:
    query = """SELECT kind, theirs ->> 'sent' AS sent FROM incident JOIN bet USING (bet_id)
               WHERE provider_bet_id = :bet ORDER BY incident_id"""
    return [one.sent for one in await table.sql(query, bet=bet) if one.kind == "unreadable_win"]


@pytest.mark.edge_case(98, 41)
async def test_a_free_round_is_not_measured_against_the_minimum(table: Table) -> None:
    bet, low, one_step = (table.new_bet() for _ in range(3))
    assert (await table.pay_in(bet, "0.00")).said == DONE
    assert (await table.pay_out(bet, "5.00")).said == DONE
    assert await table.journal(bet) == [(-1, "0.00"), (1, "5.00")]
    assert (await table.pay_in_out(one_step, "0", "1.00")).said == DONE
    assert (await table.pay_in(low, "0.09")).said == (7, "below_min_bet")


@pytest.mark.edge_case(99)
@pytest.mark.parametrize(
    ("amount", "sent"),
    [
        ("1.0E7", "winAmount 1.0E7"),
        ('"12.345"', "winAmount 12.345"),
        ("12.345", "winAmount 12.345"),
        ("null", "winAmount null"),
        ('"\\u0000\\ud83d"', 'winAmount "\\u0000\\ud83d"'),
        ('"' + "9" * 5000 + '"', 'winAmount "' + "9" * 89),
    ],
)
async def test_winnings_that_cannot_be_read_leave_an_incident(table: Table, amount: str, sent: str) -> None:
    bet = table.new_bet()
    assert (await table.pay_in(bet)).said == DONE
    for _ in range(2):
        assert (await _post(table, "pay-out", _raw(bet, amount))).said == MALFORMED
    assert await _incidents(table, bet) == [sent]
    assert await table.journal(bet) == [(-1, "10.00")]
    assert (await table.pay_out(bet, "12.34")).said == DONE


@pytest.mark.edge_case(99)
async def test_winnings_of_one_step_and_of_bets_that_are_not_known(table: Table) -> None:
    bet, other = table.new_bet(), table.new_bet()
    assert (await table.pay_in_out(bet)).said == DONE
    assert (await _post(table, "pay-in-out", _raw(bet, "1.0E7", "pay-in-out"))).said == MALFORMED
    assert (await table.pay_in_out(bet, win="25.001")).said == MALFORMED
    assert await _incidents(table, bet) == ["winAmount 1.0E7", "winAmount 25.001"]
    for operation in ("pay-out", "pay-in-out"):
        assert (await _post(table, operation, _raw(other, "1.0E7", operation))).said == MALFORMED
    assert await table.row(other) is None
    assert await table.sql("SELECT 1 FROM incident WHERE bet_id IS NULL AND kind = 'unreadable_win'") == []


FOREIGN = [
    ("refund", {"betAmount": "10.00"}),
    ("refund", {"winAmount": "25.00", "gameRoundId": "round-1"}),
    ("pay-in", {"betAmount": "10.00", "winAmount": "25.00", "gameRoundId": "round-1"}),
    ("pay-out", {"betAmount": "10.00", "winAmount": "25.00", "gameRoundId": "round-1"}),
]


@pytest.mark.edge_case(104)
@pytest.mark.parametrize(("operation", "fields"), FOREIGN)
async def test_a_body_that_was_signed_for_another_operation_moves_nothing(
    table: Table, operation: str, fields: dict[str, str]
) -> None:
    bet = table.new_bet()
    if operation != "pay-in":
        assert (await table.pay_in(bet)).said == DONE
    before = await table.journal(bet)
    answer = await table.post(operation, {"betId": bet, **fields})
    assert answer.said == MALFORMED
    assert "is no field of this operation" in answer.body["message"]
    assert await table.journal(bet) == before


@pytest.mark.edge_case(104)
async def test_a_profile_may_allow_the_amounts_of_other_operations(stack: Stack) -> None:
    table = await stack.table("{foreign_amounts: ignore}")
    bet, other = table.new_bet(), table.new_bet()
    paid = {"betAmount": "10.00", "winAmount": "25.00", "gameRoundId": "round-1"}
    for name in (bet, other):
        assert (await table.post("pay-in", {"betId": name, **paid})).said == DONE
    assert (await table.post("pay-out", {"betId": bet, **paid})).said == DONE
    assert (await table.post("refund", {"betId": other, **paid})).said == DONE
    assert await table.journal(bet) == [(-1, "10.00"), (1, "25.00")]
    assert await table.journal(other) == [(-1, "10.00"), (2, "10.00")]


@pytest.mark.edge_case(3, 56)
async def test_a_refusal_names_the_field_or_the_limit(stack: Stack) -> None:
    table = await stack.table(min_bet="1.00", max_bet="500")
    bet, one_step, low, high = (table.new_bet() for _ in range(4))
    assert (await table.pay_in(bet)).said == DONE
    assert (await table.pay_in_out(one_step)).said == DONE
    ben = await table.seat("ben")
    told = {
        "betAmount is not that of the bet": await table.pay_in(bet, "10.01"),
        "gameRoundId is not that of the bet": await table.pay_in(bet, round_id="round-2"),
        "the session's player is not that of the bet": await table.pay_in(bet, "10.01", session=ben),
        "the bet was not opened by PayInOut": await table.pay_in_out(bet),
        "the bet was opened by PayInOut": await table.pay_out(one_step),
        "winAmount is not that of the bet": await table.pay_in_out(one_step, win="26.00"),
    }
    assert {text: (answer.said, answer.body["message"]) for text, answer in told.items()} == {
        text: ((6, "different_data"), text) for text in told
    }
    below, above = await table.pay_in(low, "0.99"), await table.pay_in(high, "500.01")
    assert (below.said, below.body["message"]) == ((7, "below_min_bet"), "below the minimum of EUR 1.00")
    assert (above.said, above.body["message"]) == ((7, "above_max_bet"), "above the maximum of EUR 500")
    missing = await table.post("pay-in", {"betId": low, "betAmount": "1.00"})
    assert (missing.said, missing.body["message"]) == (MALFORMED, "gameRoundId is missing")


@pytest.mark.edge_case(104)
async def test_what_was_sent_before_request_ids_were_lost_is_unknown(stack: Stack) -> None:
    """As a crash of PostgreSQL leaves the unlogged table: empty, and the sentinel gone with all else."""
    table = await stack.table()
    bet = table.new_bet()
    body = xsign.compact({"betId": bet, "betAmount": "10.00", "gameRoundId": "round-1"})
    path = f"/v1/sessions/{table.session_id}/bets/pay-in"
    headers = xsign.headers(table.secret, table.counterparty_id, body)
    assert (await table.call("POST", path, body, headers)).said == DONE
    assert (await table.call("POST", path, body, headers)).said == (8, "not_authorised")
    before = await table.journal(bet)
    old = xsign.headers(table.secret, table.counterparty_id, refund := xsign.compact({"betId": bet}))
    await table.sql("TRUNCATE request_id")
    again = await table.call("POST", path, body, headers)
    assert (again.status, again.said) == (503, UNKNOWN)
    late = await table.call("POST", path.replace("pay-in", "refund"), refund, old)
    assert (late.status, late.said) == (503, UNKNOWN)
    assert await table.journal(bet) == before
    assert (await table.refund(bet)).said == DONE
