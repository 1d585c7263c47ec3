"""Section A, edge cases 9 to 14 and 78: what identifies a bet, and what its record keeps."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from tests.system.scenarios import DONE, REFUNDED, SETTLED, STAKED, forget, forgotten
from tests.table import Stack, Table


@pytest.mark.edge_case(9)
async def test_providers_do_not_share_bet_ids(stack: Stack, table: Table) -> None:
    rival, bet = await stack.table(), table.new_bet()
    # The same player in the same casino.
    seat = await rival.catalogue.open_session(rival.provider, table.casino, "dice", "anna", "EUR")
    rival.session_id, rival.partner_client_id = seat["session_id"], table.partner_client_id
    assert (await table.pay_in(bet)).said == DONE
    assert (await rival.pay_out(bet)).code == 99
    assert (await rival.pay_in(bet, "20.00", "round-9")).said == DONE
    assert (await table.refund(bet)).said == DONE
    assert (await rival.pay_out(bet, "7.00", "round-9")).said == DONE
    assert await table.journal(bet) == REFUNDED
    assert await rival.journal(bet) == [(-1, "20.00"), (1, "7.00")]


@pytest.mark.edge_case(11)
async def test_the_operation_is_part_of_the_key(table: Table) -> None:
    won, lost = table.new_bet(), table.new_bet()
    # Amounts are equal, so that only the operation tells the calls apart.
    assert (await table.pay_in(won)).said == DONE
    assert (await table.pay_out(won, "10.00")).said == DONE
    assert (await table.refund(won)).said == (6, "already_settled")
    assert (await table.pay_in(lost)).said == DONE
    assert (await table.refund(lost)).said == DONE
    assert (await table.pay_out(lost, "10.00")).said == (6, "already_refunded")
    assert await table.journal(won) == [(-1, "10.00"), (1, "10.00")]
    assert await table.journal(lost) == REFUNDED
    named = [entry["transaction_id"] for entry in await table.entries()]
    ids = [(await table.row(bet)).bet_id for bet in (won, lost)]
    assert named == [f"{ids[0]}:-1", f"{ids[0]}:1", f"{ids[1]}:-1", f"{ids[1]}:2"]


@pytest.mark.edge_case(12)
async def test_a_round_belongs_to_its_game(table: Table) -> None:
    dice, wheel = table.new_bet(), table.new_bet()
    await table.catalogue.add_game(table.provider, "wheel", "Wheel")
    seat = await table.catalogue.open_session(table.provider, table.casino, "wheel", "anna", "EUR")
    assert (await table.pay_in(dice)).said == DONE
    assert (await table.pay_in(wheel, session=seat["session_id"])).said == DONE
    assert (await table.pay_out(dice)).said == DONE
    assert (await table.refund(wheel, seat["session_id"])).said == DONE
    assert await table.journal(dice) == SETTLED
    assert await table.journal(wheel) == REFUNDED


@pytest.mark.edge_case(13, 14)
async def test_the_record_outlives_the_workflow(table: Table) -> None:
    won, lost, small, broke = (table.new_bet() for _ in range(4))
    done = [
        *(partial(table.pay_in, won), partial(table.pay_in, lost), partial(table.pay_out, won)),
        partial(table.refund, lost),
    ]
    refused = [partial(table.pay_in, small, "0.01"), partial(table.pay_in, broke)]
    first = [await call() for call in done]
    assert {answer.said for answer in first} == {DONE}
    await table.seat(balance="9.99")
    assert [(await call()).said for call in refused] == [(7, "below_min_bet"), (4, "no_money")]
    await table.seat(balance="1000.00")
    bets = [won, lost, small, broke]
    rows, entries = [await table.row(bet) for bet in bets], await table.entries()
    await asyncio.gather(*(forget(table, bet) for bet in bets))
    assert [await call() for call in done] == first
    assert [(await call()).said for call in refused] == [(7, "below_min_bet"), (4, "no_money")]
    assert (await table.pay_in(won, "11.00")).said == (6, "different_data")
    assert (await table.pay_out(won, "26.00")).said == (6, "different_data")
    assert (await table.refund(won)).said == (6, "already_settled")
    assert (await table.pay_out(lost)).said == (6, "already_refunded")
    for bet in (small, broke):
        assert (await table.pay_out(bet)).said == (6, "bet_refused")
        assert (await table.refund(bet)).said == (6, "bet_refused")
    assert [await table.row(bet) for bet in bets] == rows
    assert await table.entries() == entries
    assert [await forgotten(table, bet) for bet in bets] == [True] * 4


@pytest.mark.edge_case(14)
async def test_no_money_stays_no_money(table: Table) -> None:
    bet = table.new_bet()
    await table.seat(balance="9.99")
    first = await table.pay_in(bet)
    assert (first.said, first.status, first.body["balance"]) == ((4, "no_money"), 200, 9.99)
    await _stays_refused(table, bet, "no_money", sent=1, mend=lambda: table.seat(balance="1000.00"))


@pytest.mark.edge_case(14)
async def test_blocked_by_the_casino_stays_blocked(table: Table) -> None:
    bet, anna = table.new_bet(), f"/_players/{table.partner_client_id}/anna"
    await table.at_casino("PATCH", anna, json={"blocked": True})
    assert (await table.pay_in(bet)).said == (7, "player_blocked")
    await _stays_refused(
        table, bet, "player_blocked", sent=1, mend=lambda: table.at_casino("PATCH", anna, json={"blocked": False})
    )


@pytest.mark.edge_case(14)
async def test_a_limit_of_the_casino_stays(table: Table) -> None:
    bet = table.new_bet()
    await table.faults({"kind": "error_code", "error_code": 103806, "transaction_type": -1})
    assert (await table.pay_in(bet)).said == (7, "limit_reached")
    await _stays_refused(table, bet, "limit_reached", sent=1, mend=table.faults)


@pytest.mark.edge_case(14)
@pytest.mark.parametrize(("amount", "reason"), [("0.09", "below_min_bet"), ("500.01", "above_max_bet")])
async def test_a_limit_of_ours_stays(table: Table, amount: str, reason: str) -> None:
    bet = table.new_bet()
    assert (await table.pay_in(bet, amount)).said == (7, reason)
    await _stays_refused(table, bet, reason, mend=lambda: _limits(table, "0.01", "10000"), amount=amount)


@pytest.mark.edge_case(14)
async def test_blocked_by_us_stays_blocked(table: Table) -> None:
    bet = table.new_bet()
    await table.catalogue.block(table.casino, "anna", blocked=True)
    assert (await table.pay_in(bet)).said == (7, "player_blocked")
    await _stays_refused(
        table, bet, "player_blocked", mend=lambda: table.catalogue.block(table.casino, "anna", blocked=False)
    )


async def _stays_refused(
    table: Table, bet: str, reason: str, *, mend: Callable[[], Awaitable[object]], sent: int = 0, amount: str = "10.00"
) -> None:
    """The refusal stands when the same stake would pass."""
    row = await table.row(bet)
    assert (row.state, row.refusal) == ("refused", reason)
    await mend()
    assert (await table.pay_in(table.new_bet(), amount)).said == DONE
    code = 4 if reason == "no_money" else 7
    assert (await table.pay_in(bet, amount)).said == (code, reason)
    assert await table.row(bet) == row
    assert await table.sent(bet) == [-1] * sent
    assert await table.journal(bet) == []


async def _limits(table: Table, least: str, greatest: str) -> None:
    await table.sql(
        "UPDATE game SET min_bet = CAST(CAST(:a AS text) AS numeric), max_bet = CAST(CAST(:b AS text) AS numeric) "
        "FROM provider WHERE provider.provider_id = game.provider_id AND counterparty_id = :c",
        a=least,
        b=greatest,
        c=table.counterparty_id,
    )


@pytest.mark.edge_case(78)
@pytest.mark.parametrize(
    "change", ["session ended", "player blocked", "blocked at the casino", "limit", "game", "money"]
)
async def test_checks_are_for_new_stakes_only(table: Table, change: str) -> None:
    bet = table.new_bet()
    first = await table.pay_in(bet)
    assert first.said == DONE
    match change:
        case "session ended":
            await table.catalogue.close_session(table.session_id)
        case "player blocked":
            await table.catalogue.block(table.casino, "anna", blocked=True)
        case "blocked at the casino":
            path = f"/_players/{table.partner_client_id}/anna"
            await table.at_casino("PATCH", path, json={"blocked": True})
        case "limit":
            await _limits(table, "10.01", "500")
        case "game":
            await table.catalogue.disable_game(table.provider, "dice")
        case _:
            await table.seat(balance="0")
    assert (await table.pay_in(table.new_bet())).code in (3, 4, 7)
    calls = await table.calls()
    assert await table.pay_in(bet) == first
    assert await table.calls() == calls
    assert await table.journal(bet) == STAKED
