"""Edge cases 98, 99 and 104: free rounds, winnings that cannot be read, bodies signed for another operation."""

import pytest

from betcore.provider import xsign
from tests.partner import Answer, Stack, TestPartner
from tests.system.scenarios import DONE, UNKNOWN

MALFORMED = (2, "malformed")


@pytest.fixture(scope="module")
def stack(own_stack: Stack) -> Stack:
    """A table is emptied that calls of other tests need."""
    return own_stack


def _raw(bet: str, amount: str, operation: str = "pay-out") -> bytes:
    stake = '"betAmount":"10.00",' if operation == "pay-in-out" else ""
    return f'{{"betId":"{bet}",{stake}"gameRoundId":"round-1","winAmount":{amount}}}'.encode()


async def _post(partner: TestPartner, operation: str, body: bytes) -> Answer:
    return await partner.call("POST", f"/v1/sessions/{partner.session_id}/bets/{operation}", body)


async def _incidents(partner: TestPartner, bet: str) -> list[str]:
    query = """SELECT kind, theirs ->> 'sent' AS sent FROM incident JOIN bet USING (bet_id)
               WHERE provider_bet_id = :bet ORDER BY incident_id"""
    return [one.sent for one in await partner.sql(query, bet=bet) if one.kind == "unreadable_win"]


@pytest.mark.edge_case(98, 41)
async def test_a_free_round_is_not_measured_against_the_minimum(partner: TestPartner) -> None:
    bet, low, one_step = (partner.new_bet() for _ in range(3))
    assert (await partner.pay_in(bet, "0.00")).outcome == DONE
    assert (await partner.pay_out(bet, "5.00")).outcome == DONE
    assert await partner.journal(bet) == [(-1, "0.00"), (1, "5.00")]
    assert (await partner.pay_in_out(one_step, "0", "1.00")).outcome == DONE
    assert (await partner.pay_in(low, "0.09")).outcome == (7, "below_min_bet")


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
async def test_winnings_that_cannot_be_read_leave_an_incident(partner: TestPartner, amount: str, sent: str) -> None:
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == DONE
    for _ in range(2):
        assert (await _post(partner, "pay-out", _raw(bet, amount))).outcome == MALFORMED
    assert await _incidents(partner, bet) == [sent]
    assert await partner.journal(bet) == [(-1, "10.00")]
    assert (await partner.pay_out(bet, "12.34")).outcome == DONE


@pytest.mark.edge_case(99)
async def test_winnings_of_one_step_and_of_bets_that_are_not_known(partner: TestPartner) -> None:
    bet, other = partner.new_bet(), partner.new_bet()
    assert (await partner.pay_in_out(bet)).outcome == DONE
    assert (await _post(partner, "pay-in-out", _raw(bet, "1.0E7", "pay-in-out"))).outcome == MALFORMED
    assert (await partner.pay_in_out(bet, win="25.001")).outcome == MALFORMED
    assert await _incidents(partner, bet) == ["winAmount 1.0E7", "winAmount 25.001"]
    for operation in ("pay-out", "pay-in-out"):
        assert (await _post(partner, operation, _raw(other, "1.0E7", operation))).outcome == MALFORMED
    assert await partner.row(other) is None
    assert await partner.sql("SELECT 1 FROM incident WHERE bet_id IS NULL AND kind = 'unreadable_win'") == []


FOREIGN = [
    ("refund", {"betAmount": "10.00"}),
    ("refund", {"winAmount": "25.00", "gameRoundId": "round-1"}),
    ("pay-in", {"betAmount": "10.00", "winAmount": "25.00", "gameRoundId": "round-1"}),
    ("pay-out", {"betAmount": "10.00", "winAmount": "25.00", "gameRoundId": "round-1"}),
]


@pytest.mark.edge_case(104)
@pytest.mark.parametrize(("operation", "fields"), FOREIGN)
async def test_a_body_that_was_signed_for_another_operation_moves_nothing(
    partner: TestPartner, operation: str, fields: dict[str, str]
) -> None:
    bet = partner.new_bet()
    if operation != "pay-in":
        assert (await partner.pay_in(bet)).outcome == DONE
    before = await partner.journal(bet)
    answer = await partner.post(operation, {"betId": bet, **fields})
    assert answer.outcome == MALFORMED
    assert "is no field of this operation" in answer.body["message"]
    assert await partner.journal(bet) == before


@pytest.mark.edge_case(104)
async def test_a_profile_may_allow_the_amounts_of_other_operations(stack: Stack) -> None:
    partner = await stack.partner("{foreign_amounts: ignore}")
    bet, other = partner.new_bet(), partner.new_bet()
    paid = {"betAmount": "10.00", "winAmount": "25.00", "gameRoundId": "round-1"}
    for name in (bet, other):
        assert (await partner.post("pay-in", {"betId": name, **paid})).outcome == DONE
    assert (await partner.post("pay-out", {"betId": bet, **paid})).outcome == DONE
    assert (await partner.post("refund", {"betId": other, **paid})).outcome == DONE
    assert await partner.journal(bet) == [(-1, "10.00"), (1, "25.00")]
    assert await partner.journal(other) == [(-1, "10.00"), (2, "10.00")]


@pytest.mark.edge_case(3, 56)
async def test_a_refusal_names_the_field_or_the_limit(stack: Stack) -> None:
    partner = await stack.partner(min_bet="1.00", max_bet="500")
    bet, one_step, low, high = (partner.new_bet() for _ in range(4))
    assert (await partner.pay_in(bet)).outcome == DONE
    assert (await partner.pay_in_out(one_step)).outcome == DONE
    ben = await partner.seat("ben")
    told = {
        "betAmount is not that of the bet": await partner.pay_in(bet, "10.01"),
        "gameRoundId is not that of the bet": await partner.pay_in(bet, round_id="round-2"),
        "the session's player is not that of the bet": await partner.pay_in(bet, "10.01", session=ben),
        "the bet was not opened by PayInOut": await partner.pay_in_out(bet),
        "the bet was opened by PayInOut": await partner.pay_out(one_step),
        "winAmount is not that of the bet": await partner.pay_in_out(one_step, win="26.00"),
    }
    assert {text: (answer.outcome, answer.body["message"]) for text, answer in told.items()} == {
        text: ((6, "different_data"), text) for text in told
    }
    below, above = await partner.pay_in(low, "0.99"), await partner.pay_in(high, "500.01")
    assert (below.outcome, below.body["message"]) == ((7, "below_min_bet"), "below the minimum of EUR 1.00")
    assert (above.outcome, above.body["message"]) == ((7, "above_max_bet"), "above the maximum of EUR 500")
    missing = await partner.post("pay-in", {"betId": low, "betAmount": "1.00"})
    assert (missing.outcome, missing.body["message"]) == (MALFORMED, "gameRoundId is missing")


@pytest.mark.edge_case(104)
async def test_what_was_sent_before_request_ids_were_lost_is_unknown(stack: Stack) -> None:
    """As a crash of PostgreSQL leaves the unlogged table: empty, and the sentinel gone with all else."""
    partner = await stack.partner()
    bet = partner.new_bet()
    body = xsign.compact({"betId": bet, "betAmount": "10.00", "gameRoundId": "round-1"})
    path = f"/v1/sessions/{partner.session_id}/bets/pay-in"
    headers = xsign.headers(partner.secret, partner.counterparty_id, body)
    assert (await partner.call("POST", path, body, headers)).outcome == DONE
    assert (await partner.call("POST", path, body, headers)).outcome == (8, "not_authorised")
    before = await partner.journal(bet)
    old = xsign.headers(partner.secret, partner.counterparty_id, refund := xsign.compact({"betId": bet}))
    await partner.sql("TRUNCATE request_id")
    again = await partner.call("POST", path, body, headers)
    assert (again.status, again.outcome) == (503, UNKNOWN)
    late = await partner.call("POST", path.replace("pay-in", "refund"), refund, old)
    assert (late.status, late.outcome) == (503, UNKNOWN)
    assert await partner.journal(bet) == before
    assert (await partner.refund(bet)).outcome == DONE
