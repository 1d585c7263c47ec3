"""Edge case 64: signed requests that were recorded on the wire and are sent again."""

import asyncio
from dataclasses import dataclass

import pytest

from betcore import xsign
from tests.system.scenarios import DONE, STAKED, elsewhere
from tests.table import Answer, Stack, Table, eventually

NOT_AUTHORISED = (8, "not_authorised")


@dataclass(frozen=True)
class Recorded:
    """A signed request as somebody on the wire could keep it."""

    path: str
    body: bytes
    headers: dict[str, str]

    @classmethod
    def pay_in(cls, table: Table, bet: str, late: float = 0) -> "Recorded":
        """A PayIn of 10.00, signed ``late`` seconds ago."""
        body = xsign.compact({"betId": bet, "betAmount": "10.00", "gameRoundId": "round-1"})
        headers = xsign.headers(table.secret, table.counterparty_id, body)
        headers[xsign.TIMESTAMP] = stamp = str(int(headers[xsign.TIMESTAMP]) - int(late * 1000))
        request_id = headers[xsign.REQUEST_ID]
        headers[xsign.SIGNATURE] = xsign.sign(table.secret, table.counterparty_id, stamp, request_id, body)
        return cls(f"/v1/sessions/{table.session_id}/bets/pay-in", body, headers)

    async def play(self, table: Table, path: str | None = None, method: str = "POST") -> Answer:
        """Send it, to another path if one is given."""
        return await table.call(method, path or self.path, self.body, self.headers)


@pytest.mark.edge_case(64)
async def test_a_request_played_again_inside_the_window_is_refused(table: Table, second_api: str) -> None:
    bet, there = table.new_bet(), elsewhere(table, second_api)
    recorded = Recorded.pay_in(table, bet)
    assert (await recorded.play(table)).said == DONE
    calls = await table.calls()
    for reached in (table, there, table, there):
        again = await recorded.play(reached)
        assert (again.said, again.status) == (NOT_AUTHORISED, 401)
    assert await table.calls() == calls
    # An honest repeat, signed anew.
    assert (await table.pay_in(bet)).said == DONE
    assert (await there.pay_in(bet)).said == DONE
    assert await table.journal(bet) == STAKED


@pytest.mark.edge_case(64)
async def test_of_copies_at_two_processes_at_once_one_is_heard(table: Table, second_api: str) -> None:
    bet, there = table.new_bet(), elsewhere(table, second_api)
    recorded = Recorded.pay_in(table, bet)
    copies = await asyncio.gather(*(recorded.play(reached) for reached in (table, there) * 8))
    assert sorted(answer.code for answer in copies) == [1] + [8] * 15
    assert await table.journal(bet) == STAKED


@pytest.mark.edge_case(64)
async def test_a_request_outside_the_window_is_refused_by_its_time(stack: Stack, second_api: str) -> None:
    table = await stack.table(provider="freshness_window: 1")
    bet, there = table.new_bet(), elsewhere(table, second_api)
    recorded = Recorded.pay_in(table, bet)
    assert (await recorded.play(table)).said == DONE

    async def by_its_time() -> bool:
        again = await recorded.play(there)
        assert (again.said, again.status) == (NOT_AUTHORISED, 401)
        return "Timestamp" in again.body["message"]

    await eventually(by_its_time)
    # Even when its id has been forgotten, and for one that nobody has seen.
    await table.sql("DELETE FROM request_id WHERE request_id = :r", r=recorded.headers[xsign.REQUEST_ID])
    assert (await recorded.play(table)).said == NOT_AUTHORISED
    for late in (1.5, -3.5):
        assert (await Recorded.pay_in(table, table.new_bet(), late).play(table)).said == NOT_AUTHORISED
    assert (await table.pay_in(bet)).said == DONE
    assert [(entry["transaction_type"], entry["amount"]) for entry in await table.entries()] == STAKED


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
    table: Table, second_api: str, method: str, path: str, status: int
) -> None:
    bet = table.new_bet()
    recorded = Recorded.pay_in(table, bet)
    assert (await recorded.play(table, path.format(table.session_id), method)).status == status
    for reached in (table, elsewhere(table, second_api)):
        assert (await recorded.play(reached)).said == NOT_AUTHORISED
    assert await table.row(bet) is None
    assert await table.calls() == []


@pytest.mark.edge_case(64)
async def test_a_pay_in_played_again_as_a_refund_is_refused(table: Table) -> None:
    bet = table.new_bet()
    recorded = Recorded.pay_in(table, bet)
    assert (await recorded.play(table)).said == DONE
    assert (await recorded.play(table, recorded.path.replace("pay-in", "refund"))).said == NOT_AUTHORISED
    assert await table.journal(bet) == STAKED
