"""Section A, edge cases 9 to 14 and 78: what identifies a bet, and what its record keeps."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from sqlalchemy import text

from betcore.db.onboarding_limits import Limits
from betcore.db.onboarding_sessions import NewSession
from tests.partner import Stack, TestPartner
from tests.system.scenarios import (
    DONE,
    REFUNDED,
    SETTLED,
    STAKED,
    UNKNOWN,
    bet_with_stake_taken,
    delete_workflow,
    workflow_is_deleted,
)


@pytest.mark.edge_case(9)
async def test_providers_do_not_share_bet_ids(stack: Stack, partner: TestPartner) -> None:
    rival, bet = await stack.partner(), partner.new_bet()
    # The same player in the same casino.
    seat = await rival.sessions.open(NewSession(rival.provider, partner.casino, "dice", "anna", "EUR"))
    rival.session_id, rival.partner_client_id = seat["session_id"], partner.partner_client_id
    assert (await partner.pay_in(bet)).outcome == DONE
    assert (await rival.pay_out(bet)).code == 99
    assert (await rival.pay_in(bet, "20.00", "round-9")).outcome == DONE
    assert (await partner.refund(bet)).outcome == DONE
    assert (await rival.pay_out(bet, "7.00", "round-9")).outcome == DONE
    assert await partner.journal(bet) == REFUNDED
    assert await rival.journal(bet) == [(-1, "20.00"), (1, "7.00")]


@pytest.mark.edge_case(11)
async def test_the_operation_is_part_of_the_key(partner: TestPartner) -> None:
    won, lost = partner.new_bet(), partner.new_bet()
    # Amounts are equal, so that only the operation tells the calls apart.
    assert (await partner.pay_in(won)).outcome == DONE
    assert (await partner.pay_out(won, "10.00")).outcome == DONE
    assert (await partner.refund(won)).outcome == (6, "already_settled")
    assert (await partner.pay_in(lost)).outcome == DONE
    assert (await partner.refund(lost)).outcome == DONE
    assert (await partner.pay_out(lost, "10.00")).outcome == (6, "already_refunded")
    assert await partner.journal(won) == [(-1, "10.00"), (1, "10.00")]
    assert await partner.journal(lost) == REFUNDED
    named = [entry["transaction_id"] for entry in await partner.entries()]
    ids = [(await partner.row(bet)).bet_id for bet in (won, lost)]
    assert named == [f"{ids[0]}:-1", f"{ids[0]}:1", f"{ids[1]}:-1", f"{ids[1]}:2"]


@pytest.mark.edge_case(12)
async def test_a_round_belongs_to_its_game(partner: TestPartner) -> None:
    dice, wheel = partner.new_bet(), partner.new_bet()
    await partner.catalogue.add_game(partner.provider, "wheel", "Wheel")
    seat = await partner.sessions.open(NewSession(partner.provider, partner.casino, "wheel", "anna", "EUR"))
    assert (await partner.pay_in(dice)).outcome == DONE
    assert (await partner.pay_in(wheel, session=seat["session_id"])).outcome == DONE
    assert (await partner.pay_out(dice)).outcome == DONE
    assert (await partner.refund(wheel, seat["session_id"])).outcome == DONE
    assert await partner.journal(dice) == SETTLED
    assert await partner.journal(wheel) == REFUNDED


@pytest.mark.edge_case(13)
async def test_a_row_that_a_restore_has_lost_decides_nothing(partner: TestPartner) -> None:
    """The workflow still has its first answer, "done". But no row records any more that the provider gets it."""
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    row = await partner.row(bet)
    engine = partner.stack.engine.execution_options(isolation_level="READ COMMITTED")
    async with engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("bet_event", "movement", "bet"):
            await connection.execute(text(f"DELETE FROM {table} WHERE bet_id = :b"), {"b": row.bet_id})  # noqa: S608  words of this test
    for _ in range(2):
        repeat = await partner.pay_in(bet)
        assert (repeat.status, repeat.outcome) == (503, UNKNOWN)
    assert [(entry["transaction_type"], entry["amount"]) for entry in await partner.entries(row.bet_id)] == STAKED
    # It waits for its provider, and would end up in the sweep of all later tests.
    await partner.workflow(bet).terminate("its test is over")


@pytest.mark.edge_case(13, 14)
async def test_the_record_outlives_the_workflow(partner: TestPartner) -> None:
    won, lost, small, broke = (partner.new_bet() for _ in range(4))
    done = [
        *(partial(partner.pay_in, won), partial(partner.pay_in, lost), partial(partner.pay_out, won)),
        partial(partner.refund, lost),
    ]
    refused = [partial(partner.pay_in, small, "0.01"), partial(partner.pay_in, broke)]
    first = [await call() for call in done]
    assert {answer.outcome for answer in first} == {DONE}
    await partner.seat(balance="9.99")
    assert [(await call()).outcome for call in refused] == [(7, "below_min_bet"), (4, "no_money")]
    await partner.seat(balance="1000.00")
    bets = [won, lost, small, broke]
    rows, entries = [await partner.row(bet) for bet in bets], await partner.entries()
    await asyncio.gather(*(delete_workflow(partner, bet) for bet in bets))
    assert [await call() for call in done] == first
    assert [(await call()).outcome for call in refused] == [(7, "below_min_bet"), (4, "no_money")]
    assert (await partner.pay_in(won, "11.00")).outcome == (6, "different_data")
    assert (await partner.pay_out(won, "26.00")).outcome == (6, "different_data")
    assert (await partner.refund(won)).outcome == (6, "already_settled")
    assert (await partner.pay_out(lost)).outcome == (6, "already_refunded")
    for bet in (small, broke):
        assert (await partner.pay_out(bet)).outcome == (6, "bet_refused")
        assert (await partner.refund(bet)).outcome == (6, "bet_refused")
    assert [await partner.row(bet) for bet in bets] == rows
    assert await partner.entries() == entries
    assert [await workflow_is_deleted(partner, bet) for bet in bets] == [True] * 4


@pytest.mark.edge_case(14)
async def test_no_money_stays_no_money(partner: TestPartner) -> None:
    bet = partner.new_bet()
    await partner.seat(balance="9.99")
    first = await partner.pay_in(bet)
    assert (first.outcome, first.status, first.body["balance"]) == ((4, "no_money"), 200, 9.99)
    await _stays_refused(partner, bet, "no_money", sent=1, mend=lambda: partner.seat(balance="1000.00"))


@pytest.mark.edge_case(14)
async def test_blocked_by_the_casino_stays_blocked(partner: TestPartner) -> None:
    bet, anna = partner.new_bet(), f"/_players/{partner.partner_client_id}/anna"
    await partner.at_casino("PATCH", anna, json={"blocked": True})
    assert (await partner.pay_in(bet)).outcome == (7, "player_blocked")
    await _stays_refused(
        partner, bet, "player_blocked", sent=1, mend=lambda: partner.at_casino("PATCH", anna, json={"blocked": False})
    )


@pytest.mark.edge_case(14)
async def test_a_limit_of_the_casino_stays(partner: TestPartner) -> None:
    bet = partner.new_bet()
    await partner.faults({"kind": "error_code", "error_code": 103806, "transaction_type": -1})
    assert (await partner.pay_in(bet)).outcome == (7, "limit_reached")
    await _stays_refused(partner, bet, "limit_reached", sent=1, mend=partner.faults)


@pytest.mark.edge_case(14)
@pytest.mark.parametrize(("amount", "reason"), [("0.09", "below_min_bet"), ("500.01", "above_max_bet")])
async def test_a_limit_of_ours_stays(partner: TestPartner, amount: str, reason: str) -> None:
    bet = partner.new_bet()
    assert (await partner.pay_in(bet, amount)).outcome == (7, reason)
    await _stays_refused(partner, bet, reason, mend=lambda: _limits(partner, "0.01", "10000"), amount=amount)


@pytest.mark.edge_case(14)
async def test_blocked_by_us_stays_blocked(partner: TestPartner) -> None:
    bet = partner.new_bet()
    await partner.sessions.block(partner.casino, "anna", blocked=True)
    assert (await partner.pay_in(bet)).outcome == (7, "player_blocked")
    await _stays_refused(
        partner, bet, "player_blocked", mend=lambda: partner.sessions.block(partner.casino, "anna", blocked=False)
    )


async def _stays_refused(
    partner: TestPartner,
    bet: str,
    reason: str,
    *,
    mend: Callable[[], Awaitable[object]],
    sent: int = 0,
    amount: str = "10.00",
) -> None:
    """Check that the refusal stands when the same stake would pass."""
    row = await partner.row(bet)
    assert (row.state, row.refusal) == ("refused", reason)
    await mend()
    assert (await partner.pay_in(partner.new_bet(), amount)).outcome == DONE
    code = 4 if reason == "no_money" else 7
    assert (await partner.pay_in(bet, amount)).outcome == (code, reason)
    assert await partner.row(bet) == row
    assert await partner.sent(bet) == [-1] * sent
    assert await partner.journal(bet) == []


async def _limits(partner: TestPartner, least: str, greatest: str) -> None:
    await Limits(partner.stack.engine).set_game(partner.provider, "dice", "EUR", least, greatest)


@pytest.mark.edge_case(78)
@pytest.mark.parametrize(
    "change", ["session ended", "player blocked", "blocked at the casino", "limit", "game", "money"]
)
async def test_checks_are_for_new_stakes_only(partner: TestPartner, change: str) -> None:
    bet = partner.new_bet()
    first = await partner.pay_in(bet)
    assert first.outcome == DONE
    match change:
        case "session ended":
            await partner.sessions.close(partner.session_id)
        case "player blocked":
            await partner.sessions.block(partner.casino, "anna", blocked=True)
        case "blocked at the casino":
            path = f"/_players/{partner.partner_client_id}/anna"
            await partner.at_casino("PATCH", path, json={"blocked": True})
        case "limit":
            await _limits(partner, "10.01", "500")
        case "game":
            await partner.catalogue.disable_game(partner.provider, "dice")
        case _:
            await partner.seat(balance="0")
    assert (await partner.pay_in(partner.new_bet())).code in (3, 4, 7)
    calls = await partner.calls()
    assert await partner.pay_in(bet) == first
    assert await partner.calls() == calls
    assert await partner.journal(bet) == STAKED
