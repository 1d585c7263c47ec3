"""Edge cases of section E, and the provider's deadline."""

import asyncio
import time

import pytest

from tests.system.scenarios import DONE, HASTY, REFUNDED, SETTLED, STAKED, UNKNOWN, taken, undecided
from tests.table import Answer, Stack, Table, eventually, until
from tests.watch import sends


async def _open_bets(table: Table) -> tuple[str, str]:
    """Two bets with a stake: one to be won, one to be refunded."""
    return await taken(table, table.pay_in), await taken(table, table.pay_in)


async def _resolve(table: Table, won: str, lost: str, session: str | None = None) -> None:
    assert (await until(lambda: table.pay_out(won, session=session))).said == DONE
    assert (await until(lambda: table.refund(lost, session=session))).said == DONE
    assert await table.journal(won) == SETTLED
    assert await table.journal(lost) == REFUNDED


async def _refused(table: Table, said: tuple[int, str], amount: str = "10.00", session: str | None = None) -> None:
    """A new stake is refused, on repetition too, and nothing reaches the casino."""
    calls, bet = await table.calls(), table.new_bet()
    for _ in range(2):
        answer = await table.pay_in(bet, amount, session=session)
        assert (answer.said, answer.status) == (said, 200)
    assert await table.calls() == calls
    assert await table.journal(bet) == []


@pytest.mark.edge_case(52)
async def test_a_session_that_has_ended_takes_no_new_stake(table: Table) -> None:
    await table.catalogue.close_session(table.session_id)
    await _refused(table, (3, "session_ended"))
    assert await table.calls() == []


@pytest.mark.edge_case(52)
@pytest.mark.parametrize("whose", ["unknown", "of another provider", "demo"])
async def test_a_session_that_is_not_the_providers_is_refused_for_every_call(stack: Stack, whose: str) -> None:
    table, other = await stack.table(), await stack.table()
    won, lost = await _open_bets(table)
    session = {"unknown": "no-such-session", "of another provider": other.session_id}.get(whose)
    reason = "session_unknown"
    if session is None:
        session, reason = await table.seat("demetra", mode="demo"), "session_demo"
    before, bet = await table.calls(), table.new_bet()
    answers = [
        await table.balance(session),
        await table.pay_in(bet, session=session),
        await table.pay_out(won, session=session),
        await table.refund(lost, session=session),
        await table.refund(bet, session=session),
    ]
    assert [(answer.said, answer.status) for answer in answers] == [((3, reason), 200)] * 5
    assert await table.calls() == before
    assert await other.calls() == []
    assert await table.row(bet) is None
    await _resolve(table, won, lost)


@pytest.mark.edge_case(53)
async def test_a_session_that_has_ended_settles_and_refunds(table: Table) -> None:
    won, lost = await _open_bets(table)
    await table.catalogue.close_session(table.session_id)
    await _resolve(table, won, lost)


@pytest.mark.edge_case(53)
async def test_a_newer_session_of_the_player_settles_and_refunds(table: Table) -> None:
    won, lost = await _open_bets(table)
    await table.catalogue.close_session(table.session_id)
    opened = await table.catalogue.open_session(table.provider, table.casino, "dice", "anna", "EUR")
    await _resolve(table, won, lost, opened["session_id"])


@pytest.mark.edge_case(53)
async def test_another_players_session_is_of_another_bet(table: Table) -> None:
    won, lost = await _open_bets(table)
    stranger = await table.seat("boris")
    for _ in range(2):
        assert (await table.pay_out(won, session=stranger)).said == (6, "different_data")
        assert (await table.refund(lost, session=stranger)).said == (6, "different_data")
    assert await table.journal(won) == await table.journal(lost) == STAKED
    await _resolve(table, won, lost)
    assert (await table.pay_out(won, session=stranger)).said == (6, "different_data")
    assert {entry["partner_user_id"] for entry in await table.entries()} == {"anna"}


@pytest.mark.edge_case(54)
async def test_a_player_whom_we_block_gets_wins_and_returns(table: Table) -> None:
    won, lost = await _open_bets(table)
    await table.catalogue.block(table.casino, "anna", blocked=True)
    await _refused(table, (7, "player_blocked"))
    await _resolve(table, won, lost)


@pytest.mark.edge_case(54)
async def test_a_player_whom_the_casino_blocks_gets_wins_and_returns(table: Table) -> None:
    won, lost = await _open_bets(table)
    await table.at_casino("PATCH", f"/_players/{table.partner_client_id}/anna", json={"blocked": True})
    refused = table.new_bet()
    assert (await table.pay_in(refused)).said == (7, "player_blocked")
    assert await table.journal(refused) == []
    await _resolve(table, won, lost)


@pytest.mark.edge_case(55)
@pytest.mark.parametrize("what", ["game", "provider", "casino"])
async def test_what_is_disabled_pays_and_returns_and_takes_no_stake(table: Table, what: str) -> None:
    won, lost = await _open_bets(table)
    match what:
        case "game":
            await table.catalogue.disable_game(table.provider, "dice")
        case "provider":
            await table.desk.disable("provider", table.provider)
        case _:
            await table.desk.disable("casino", table.casino)

    async def known() -> bool:
        # An API process trusts for seconds what it has read of a provider.
        return (await table.pay_in(table.new_bet(), "0.10")).code != 1

    await eventually(known)
    await _refused(table, (7, "game_disabled"))
    await _resolve(table, won, lost)


@pytest.mark.edge_case(56)
async def test_stakes_outside_the_limits_are_refused(table: Table) -> None:
    for amount in ("0.01", "0.09"):
        await _refused(table, (7, "below_min_bet"), amount)
    for amount in ("500.01", "999999999999999.99"):
        await _refused(table, (7, "above_max_bet"), amount)
    assert await table.calls() == []
    for amount in ("0.10", "500"):
        assert (await table.pay_in(table.new_bet(), amount)).said == DONE
    assert [entry["amount"] for entry in await table.entries()] == ["0.10", "500.00"]


@pytest.mark.edge_case(59)
async def test_bets_of_one_player_run_side_by_side(table: Table) -> None:
    slow, quick = table.new_bet(), table.new_bet()
    await table.faults({"kind": "hold", "path": "/payments/make", "times": 1})
    waiting = asyncio.create_task(table.pay_in(slow))
    await table.held()
    assert (await table.pay_in(quick)).said == DONE
    assert (await table.pay_out(quick)).said == DONE
    await table.release()
    assert (await waiting).code in (1, 99)
    assert (await until(lambda: table.pay_in(slow))).said == DONE
    assert (await table.journal(quick), await table.journal(slow)) == (SETTLED, STAKED)


@pytest.mark.edge_case(59)
async def test_the_casino_decides_who_is_short_of_money(stack: Stack) -> None:
    table = await stack.table()
    bets = [table.new_bet() for _ in range(12)]
    await asyncio.gather(*(table.pay_in(bet, "100") for bet in bets))
    answers = await asyncio.gather(*(until(lambda b=bet: table.pay_in(b, "100")) for bet in bets))  # type: ignore[misc]
    assert sorted(answer.said for answer in answers) == [DONE] * 10 + [(4, "no_money")] * 2
    for bet, answer in zip(bets, answers, strict=True):
        assert await table.journal(bet) == ([(-1, "100.00")] if answer.code == 1 else [])
    account = await table.at_casino("GET", f"/_players/{table.partner_client_id}/anna")
    assert account["balance"] == "0.00"


@pytest.mark.edge_case(68)
async def test_the_answer_comes_before_the_providers_deadline(stack: Stack) -> None:
    table = await stack.table(
        provider=HASTY, casino="{attempt_timeout: 0.3, message_lifetime: 300, retry: {first: 0.1}}"
    )
    await table.faults({"kind": "hold", "path": "/payments/make"})

    async def pay_in(bet: str) -> Answer:
        began = time.monotonic()
        answer = await table.pay_in(bet)
        # Sends are given up and repeated for as long as the casino holds them, which is for minutes.
        assert time.monotonic() - began < 10
        return answer

    bet = await undecided(table, pay_in)
    assert (await pay_in(bet)).said == UNKNOWN
    # The first send was given up early enough for another one.
    assert len(await sends(table, bet)) >= 2
    await table.faults()
    await table.release()
    assert (await until(lambda: table.pay_in(bet))).said == DONE
    assert await table.journal(bet) == STAKED
