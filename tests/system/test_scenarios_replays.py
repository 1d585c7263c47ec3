"""Edge case 64: signed requests that were recorded on the wire and are sent again."""

import asyncio
from dataclasses import dataclass

import pytest

from betcore.provider import xsign
from tests.partner import Answer, Stack, TestPartner, eventually
from tests.system.scenarios import DONE, STAKED, through_api

NOT_AUTHORISED = (8, "not_authorised")


@pytest.fixture(scope="module")
def stack(own_stack: Stack) -> Stack:
    """The stack on which the second API runs."""
    return own_stack


@dataclass(frozen=True)
class Recorded:
    """A signed request, as it could be recorded on the wire."""

    path: str
    body: bytes
    headers: dict[str, str]

    @classmethod
    def pay_in(cls, partner: TestPartner, bet: str, late: float = 0) -> "Recorded":
        """Return a PayIn of 10.00, signed ``late`` seconds ago."""
        body = xsign.compact({"betId": bet, "betAmount": "10.00", "gameRoundId": "round-1"})
        headers = xsign.headers(partner.secret, partner.counterparty_id, body)
        headers[xsign.TIMESTAMP] = stamp = str(int(headers[xsign.TIMESTAMP]) - int(late * 1000))
        request_id = headers[xsign.REQUEST_ID]
        headers[xsign.SIGNATURE] = xsign.sign(partner.secret, partner.counterparty_id, stamp, request_id, body)
        return cls(f"/v1/sessions/{partner.session_id}/bets/pay-in", body, headers)

    async def play(self, partner: TestPartner, path: str | None = None, method: str = "POST") -> Answer:
        """Send it, to another path if one is given."""
        return await partner.call(method, path or self.path, self.body, self.headers)


@pytest.mark.edge_case(64)
async def test_a_request_played_again_inside_the_window_is_refused(partner: TestPartner, second_api: str) -> None:
    bet, there = partner.new_bet(), through_api(partner, second_api)
    recorded = Recorded.pay_in(partner, bet)
    assert (await recorded.play(partner)).outcome == DONE
    calls = await partner.calls()
    for reached in (partner, there, partner, there):
        again = await recorded.play(reached)
        assert (again.outcome, again.status) == (NOT_AUTHORISED, 401)
    assert await partner.calls() == calls
    # An honest repeat, signed anew.
    assert (await partner.pay_in(bet)).outcome == DONE
    assert (await there.pay_in(bet)).outcome == DONE
    assert await partner.journal(bet) == STAKED


@pytest.mark.edge_case(64)
async def test_of_copies_at_two_processes_at_once_one_is_accepted(partner: TestPartner, second_api: str) -> None:
    bet, there = partner.new_bet(), through_api(partner, second_api)
    recorded = Recorded.pay_in(partner, bet)
    copies = await asyncio.gather(*(recorded.play(reached) for reached in (partner, there) * 8))
    assert sorted(answer.code for answer in copies) == [1] + [8] * 15
    assert await partner.journal(bet) == STAKED


@pytest.mark.edge_case(64)
async def test_a_request_outside_the_window_is_refused_by_its_time(stack: Stack, second_api: str) -> None:
    partner = await stack.partner(provider="freshness_window: 1")
    bet, there = partner.new_bet(), through_api(partner, second_api)
    recorded = Recorded.pay_in(partner, bet)
    assert (await recorded.play(partner)).outcome == DONE

    async def by_its_time() -> bool:
        again = await recorded.play(there)
        assert (again.outcome, again.status) == (NOT_AUTHORISED, 401)
        return "Timestamp" in again.body["message"]

    await eventually(by_its_time)
    # Even if its id was forgotten, and for an unknown one.
    await partner.sql("DELETE FROM request_id WHERE request_id = :r", r=recorded.headers[xsign.REQUEST_ID])
    assert (await recorded.play(partner)).outcome == NOT_AUTHORISED
    for late in (1.5, -3.5):
        assert (await Recorded.pay_in(partner, partner.new_bet(), late).play(partner)).outcome == NOT_AUTHORISED
    assert (await partner.pay_in(bet)).outcome == DONE
    assert [(entry["transaction_type"], entry["amount"]) for entry in await partner.entries()] == STAKED


@pytest.mark.edge_case(64)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/nowhere", 404),
        ("PUT", "/v1/sessions/{}/bets/pay-in", 405),
        ("POST", "/v1/sessions/{}/bets/pay-out", 400),
        ("POST", "/v1/sessions/no-such-session/bets/pay-in", 200),
    ],
)
async def test_a_request_first_seen_at_another_place_is_spent(
    partner: TestPartner, second_api: str, method: str, path: str, status: int
) -> None:
    bet = partner.new_bet()
    recorded = Recorded.pay_in(partner, bet)
    assert (await recorded.play(partner, path.format(partner.session_id), method)).status == status
    for reached in (partner, through_api(partner, second_api)):
        assert (await recorded.play(reached)).outcome == NOT_AUTHORISED
    assert await partner.row(bet) is None
    assert await partner.calls() == []


@pytest.mark.edge_case(64)
async def test_a_pay_in_played_again_as_a_refund_is_refused(partner: TestPartner) -> None:
    bet = partner.new_bet()
    recorded = Recorded.pay_in(partner, bet)
    assert (await recorded.play(partner)).outcome == DONE
    assert (await recorded.play(partner, recorded.path.replace("pay-in", "refund"))).outcome == NOT_AUTHORISED
    assert await partner.journal(bet) == STAKED
