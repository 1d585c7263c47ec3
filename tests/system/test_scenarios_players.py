"""Edge cases of section E, and the provider's deadline."""

import asyncio
import time

import pytest

from betcore.db.onboarding_limits import Limits
from betcore.db.onboarding_sessions import NewSession
from tests.partner import Answer, Stack, TestPartner, eventually, until
from tests.system.scenarios import (
    DONE,
    HASTY,
    REFUNDED,
    SETTLED,
    STAKED,
    UNKNOWN,
    bet_with_stake_taken,
    bet_with_unknown_outcome,
)
from tests.watch import sends


async def _open_bets(partner: TestPartner) -> tuple[str, str]:
    """Return two bets with a stake: one to be won, one to be refunded."""
    return await bet_with_stake_taken(partner, partner.pay_in), await bet_with_stake_taken(partner, partner.pay_in)


async def _resolve(partner: TestPartner, won: str, lost: str, session: str | None = None) -> None:
    assert (await until(lambda: partner.pay_out(won, session=session))).outcome == DONE
    assert (await until(lambda: partner.refund(lost, session=session))).outcome == DONE
    assert await partner.journal(won) == SETTLED
    assert await partner.journal(lost) == REFUNDED


async def _refused(
    partner: TestPartner, said: tuple[int, str], amount: str = "10.00", session: str | None = None
) -> None:
    """Check that a new stake is refused, on repetition too, and that nothing reaches the casino."""
    calls, bet = await partner.calls(), partner.new_bet()
    for _ in range(2):
        answer = await partner.pay_in(bet, amount, session=session)
        assert (answer.outcome, answer.status) == (said, 200)
    assert await partner.calls() == calls
    assert await partner.journal(bet) == []


@pytest.mark.edge_case(52)
async def test_a_session_that_has_ended_takes_no_new_stake(partner: TestPartner) -> None:
    await partner.sessions.close(partner.session_id)
    await _refused(partner, (3, "session_ended"))
    assert await partner.calls() == []


@pytest.mark.edge_case(52)
@pytest.mark.parametrize("whose", ["unknown", "of another provider", "demo"])
async def test_a_session_that_is_not_the_providers_is_refused_for_every_call(stack: Stack, whose: str) -> None:
    partner, other = await stack.partner(), await stack.partner()
    won, lost = await _open_bets(partner)
    session = {"unknown": "no-such-session", "of another provider": other.session_id}.get(whose)
    reason = "session_unknown"
    if session is None:
        session, reason = await partner.seat("demetra", mode="demo"), "session_demo"
    before, bet = await partner.calls(), partner.new_bet()
    answers = [
        await partner.balance(session),
        await partner.pay_in(bet, session=session),
        await partner.pay_out(won, session=session),
        await partner.refund(lost, session=session),
        await partner.refund(bet, session=session),
    ]
    assert [(answer.outcome, answer.status) for answer in answers] == [((3, reason), 200)] * 5
    assert await partner.calls() == before
    assert await other.calls() == []
    assert await partner.row(bet) is None
    await _resolve(partner, won, lost)


@pytest.mark.edge_case(53)
async def test_a_session_that_has_ended_settles_and_refunds(partner: TestPartner) -> None:
    won, lost = await _open_bets(partner)
    await partner.sessions.close(partner.session_id)
    await _resolve(partner, won, lost)


@pytest.mark.edge_case(53)
async def test_a_newer_session_of_the_player_settles_and_refunds(partner: TestPartner) -> None:
    won, lost = await _open_bets(partner)
    await partner.sessions.close(partner.session_id)
    opened = await partner.sessions.open(NewSession(partner.provider, partner.casino, "dice", "anna", "EUR"))
    await _resolve(partner, won, lost, opened["session_id"])


@pytest.mark.edge_case(53)
async def test_another_players_session_is_of_another_bet(partner: TestPartner) -> None:
    won, lost = await _open_bets(partner)
    stranger = await partner.seat("boris")
    for _ in range(2):
        assert (await partner.pay_out(won, session=stranger)).outcome == (6, "different_data")
        assert (await partner.refund(lost, session=stranger)).outcome == (6, "different_data")
    assert await partner.journal(won) == await partner.journal(lost) == STAKED
    await _resolve(partner, won, lost)
    assert (await partner.pay_out(won, session=stranger)).outcome == (6, "different_data")
    assert {entry["partner_user_id"] for entry in await partner.entries()} == {"anna"}


@pytest.mark.edge_case(54)
async def test_a_player_whom_we_block_gets_wins_and_returns(partner: TestPartner) -> None:
    won, lost = await _open_bets(partner)
    await partner.sessions.block(partner.casino, "anna", blocked=True)
    await _refused(partner, (7, "player_blocked"))
    await _resolve(partner, won, lost)


@pytest.mark.edge_case(54)
async def test_a_player_whom_the_casino_blocks_gets_wins_and_returns(partner: TestPartner) -> None:
    won, lost = await _open_bets(partner)
    await partner.at_casino("PATCH", f"/_players/{partner.partner_client_id}/anna", json={"blocked": True})
    refused = partner.new_bet()
    assert (await partner.pay_in(refused)).outcome == (7, "player_blocked")
    assert await partner.journal(refused) == []
    await _resolve(partner, won, lost)


@pytest.mark.edge_case(55)
@pytest.mark.parametrize("what", ["game", "provider", "casino"])
async def test_what_is_disabled_pays_and_returns_and_takes_no_stake(partner: TestPartner, what: str) -> None:
    won, lost = await _open_bets(partner)
    match what:
        case "game":
            await partner.catalogue.disable_game(partner.provider, "dice")
        case "provider":
            await partner.onboarding.disable("provider", partner.provider)
        case _:
            await partner.onboarding.disable("casino", partner.casino)

    async def known() -> bool:
        # An API process trusts for seconds what it has read of a provider.
        return (await partner.pay_in(partner.new_bet(), "0.10")).code != 1

    await eventually(known)
    await _refused(partner, (7, "game_disabled"))
    await _resolve(partner, won, lost)


@pytest.mark.edge_case(56)
async def test_stakes_outside_the_limits_are_refused(partner: TestPartner) -> None:
    for amount in ("0.01", "0.09"):
        await _refused(partner, (7, "below_min_bet"), amount)
    for amount in ("500.01", "999999999999999.99"):
        await _refused(partner, (7, "above_max_bet"), amount)
    assert await partner.calls() == []
    for amount in ("0.10", "500"):
        assert (await partner.pay_in(partner.new_bet(), amount)).outcome == DONE
    assert [entry["amount"] for entry in await partner.entries()] == ["0.10", "500.00"]


@pytest.mark.edge_case(56)
async def test_of_the_limits_of_game_casino_and_session_the_strictest_holds_in_its_currency(
    partner: TestPartner,
) -> None:
    limits = Limits(partner.stack.engine)
    await limits.set_game(partner.provider, "dice", "JPY", "100", "50000")
    await limits.set_casino(partner.casino, "EUR", None, "200")
    yen = await partner.seat("yuki", "100000", "JPY", decimals=0)
    seat = NewSession(partner.provider, partner.casino, "dice", "anna", "EUR", min_bet="1", max_bet="300")
    strict = (await partner.sessions.open(seat))["session_id"]

    async def stake(amount: str, session: str) -> tuple[int, str | None]:
        return (await partner.pay_in(partner.new_bet(), amount, session=session)).outcome

    below, above = (7, "below_min_bet"), (7, "above_max_bet")
    assert [await stake(amount, partner.session_id) for amount in ("0.09", "200.01", "200")] == [below, above, DONE]
    assert [await stake(amount, strict) for amount in ("0.99", "200.01", "1")] == [below, above, DONE]
    assert [await stake(amount, yen) for amount in ("99", "50001", "50000")] == [below, above, DONE]
    await limits.set_casino(partner.casino, "EUR", None, None)
    assert [await stake(amount, strict) for amount in ("300.01", "300")] == [above, DONE]


@pytest.mark.edge_case(59)
async def test_bets_of_one_player_run_side_by_side(partner: TestPartner) -> None:
    slow, quick = partner.new_bet(), partner.new_bet()
    await partner.faults({"kind": "hold", "path": "/payments/make", "times": 1})
    waiting = asyncio.create_task(partner.pay_in(slow))
    await partner.held()
    assert (await partner.pay_in(quick)).outcome == DONE
    assert (await partner.pay_out(quick)).outcome == DONE
    await partner.release()
    assert (await waiting).code in (1, 99)
    assert (await until(lambda: partner.pay_in(slow))).outcome == DONE
    assert (await partner.journal(quick), await partner.journal(slow)) == (SETTLED, STAKED)


@pytest.mark.edge_case(59)
async def test_the_casino_decides_who_is_short_of_money(stack: Stack) -> None:
    partner = await stack.partner()
    bets = [partner.new_bet() for _ in range(12)]
    await asyncio.gather(*(partner.pay_in(bet, "100") for bet in bets))
    answers = await asyncio.gather(*(until(lambda b=bet: partner.pay_in(b, "100")) for bet in bets))  # type: ignore[misc]
    assert sorted(answer.outcome for answer in answers) == [DONE] * 10 + [(4, "no_money")] * 2
    for bet, answer in zip(bets, answers, strict=True):
        assert await partner.journal(bet) == ([(-1, "100.00")] if answer.code == 1 else [])
    account = await partner.at_casino("GET", f"/_players/{partner.partner_client_id}/anna")
    assert account["balance"] == "0.00"


@pytest.mark.edge_case(68)
async def test_the_answer_comes_before_the_providers_deadline(stack: Stack) -> None:
    partner = await stack.partner(
        provider=HASTY, casino="{attempt_timeout: 0.3, message_lifetime: 300, retry: {first: 0.1}}"
    )
    await partner.faults({"kind": "hold", "path": "/payments/make"})

    async def pay_in(bet: str) -> Answer:
        began = time.monotonic()
        answer = await partner.pay_in(bet)
        # Sends are given up and repeated for as long as the casino holds them, which is for minutes.
        assert time.monotonic() - began < 10
        return answer

    bet = await bet_with_unknown_outcome(partner, pay_in)
    assert (await pay_in(bet)).outcome == UNKNOWN
    # The first send was given up early enough for another one.
    assert len(await sends(partner, bet)) >= 2
    await partner.faults()
    await partner.release()
    assert (await until(lambda: partner.pay_in(bet))).outcome == DONE
    assert await partner.journal(bet) == STAKED


@pytest.mark.edge_case(52, 53, 78)
@pytest.mark.parametrize("how", ["expires_at = now()", "seen_at = now() - interval '2 hours'"])
async def test_a_session_that_has_expired_takes_no_new_stake_and_settles(partner: TestPartner, how: str) -> None:
    won, lost, refused = partner.new_bet(), partner.new_bet(), partner.new_bet()
    for bet in (won, lost):
        assert (await partner.pay_in(bet)).outcome == DONE
    await partner.sql(f"UPDATE session SET {how} WHERE session_id = :s", s=partner.session_id)  # noqa: S608  ours
    assert (await partner.pay_in(refused)).outcome == (3, "session_ended")
    assert await partner.journal(refused) == []
    # The refusal does not make it a session in use again.
    assert (await partner.pay_in(partner.new_bet())).outcome == (3, "session_ended")
    assert (await partner.pay_in(won)).outcome == DONE
    assert (await partner.pay_out(won, "25.00")).outcome == DONE
    assert (await partner.refund(lost)).outcome == DONE
    assert (await partner.balance()).code == 1


@pytest.mark.edge_case(52)
async def test_a_stake_keeps_its_session_from_being_idle(partner: TestPartner) -> None:
    aged = "UPDATE session SET seen_at = now() - interval '119 minutes' WHERE session_id = :s"
    await partner.sql(aged, s=partner.session_id)
    assert (await partner.pay_in(partner.new_bet())).outcome == DONE
    used = "SELECT seen_at, seen_at > now() - interval '1 minute' AS lately FROM session WHERE session_id = :s"
    [first] = await partner.sql(used, s=partner.session_id)
    assert first.lately
    # Within the minute no bet writes it again.
    assert (await partner.pay_in(partner.new_bet())).outcome == DONE
    assert await partner.sql(used, s=partner.session_id) == [first]
