"""Games, players and sessions against a real database."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from tests.unit.house import House, refused


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.at(database_url) as opened:
        yield opened


async def test_what_is_disabled_keeps_its_first_time_and_opens_no_session(house: House) -> None:
    where = await house.ready()
    await house.catalogue.disable_game("acme", "dice-1")
    with refused("game_disabled"):
        await house.catalogue.open_session(*where, "EUR")
    await house.onboarding.disable("provider", "acme")
    with refused("provider_disabled"):
        await house.catalogue.open_session(*where, "EUR")
    await house.onboarding.disable("casino", "royal")
    with refused("casino_disabled"):
        await house.catalogue.open_session(*where, "EUR")
    times = "SELECT (SELECT disabled_at FROM provider)::text || (SELECT disabled_at FROM casino)::text"
    first = await house.sql(times)
    assert (await house.onboarding.disable("provider", "acme"))["disabled"] is True
    assert (await house.onboarding.disable("casino", "royal"))["disabled"] is True
    assert await house.sql(times) == first
    assert await house.sql("SELECT count(*) FROM player") == [0]


async def test_a_session_registers_its_player_once(house: House) -> None:
    where = await house.ready()
    first = await house.catalogue.open_session(*where, "EUR")
    second = await house.catalogue.open_session(*where, "EUR", mode="demo")
    assert UUID(first["session_id"]).version == 4
    assert (first["mode"], second["mode"], first["ended_at"]) == ("real", "demo", None)
    assert await house.sql("SELECT partner_user_id FROM player") == ["player-1"]
    assert await house.sql("SELECT count(DISTINCT session_id) FROM session") == [2]


async def test_the_newest_open_session_for_money_is_found(house: House) -> None:
    where = await house.ready()
    assert await house.catalogue.open_session_of(*where) is None
    await house.catalogue.open_session(*where, "EUR", mode="demo")
    assert await house.catalogue.open_session_of(*where) is None
    first = await house.catalogue.open_session(*where, "EUR")
    second = await house.catalogue.open_session(*where, "EUR")
    assert await house.catalogue.open_session_of(*where) == second
    await house.catalogue.close_session(second["session_id"])
    assert await house.catalogue.open_session_of(*where) == first


async def test_a_session_on_what_is_not_there_is_refused(house: House) -> None:
    provider, casino, game, player = await house.ready()
    await house.onboarding.add_provider("other", "http://other.example")
    for where in ((provider, "x", game), ("x", casino, game), (provider, casino, "x"), ("other", casino, game)):
        with refused("not_found"):
            await house.catalogue.open_session(*where, player, "EUR")
    with refused("unknown_currency"):
        await house.catalogue.open_session(provider, casino, game, player, "EURO")
    with refused("invalid_name"):
        await house.catalogue.open_session(provider, casino, game, "", "EUR")
    with refused("invalid_mode"):
        await house.catalogue.open_session(provider, casino, game, player, "EUR", mode="fun")
    assert await house.sql("SELECT count(*) FROM player") == [0]


async def test_limits_must_fit_the_currency_of_the_session(house: House) -> None:
    where = await house.ready(min_bet="0.125", max_bet="1.5")
    for currency in ("EUR", "JPY"):
        with refused("invalid_limits", currency):
            await house.catalogue.open_session(*where, currency)
    assert (await house.catalogue.open_session(*where, "KWD"))["currency"] == "KWD"


async def test_a_session_ends_once(house: House) -> None:
    opened = await house.catalogue.open_session(*await house.ready(), "EUR")
    closed = await house.catalogue.close_session(opened["session_id"])
    assert closed["ended_at"] is not None
    assert await house.catalogue.close_session(opened["session_id"]) == closed
    with refused("not_found"):
        await house.catalogue.close_session("no-such-session")


@pytest.mark.parametrize(
    ("min_bet", "max_bet"),
    [("-1", None), ("1e3", None), (None, "NaN"), ("01", None), ("", None), ("1.", None), (None, "0." + "1" * 19),
     ("2", "1.99"), ("1" * 16, None), ("\u0661", None)],
)  # fmt: skip
async def test_limits_that_are_no_amounts_are_refused(house: House, min_bet: str | None, max_bet: str | None) -> None:
    await house.onboarding.add_provider("acme", "http://acme.example")
    with refused("invalid_limits"):
        await house.catalogue.add_game("acme", "dice-1", "Dice", min_bet, max_bet)


async def test_games_are_listed_by_provider_with_exact_limits(house: House) -> None:
    await house.ready("0.10", "123456789012345.000000000000000001")
    await house.onboarding.add_provider("zeta", "http://zeta.example")
    await house.catalogue.add_game("zeta", "dice-1", "Other dice")
    with refused("already_exists"):
        await house.catalogue.add_game("acme", "dice-1", "Dice again")
    with refused("not_found"):
        await house.catalogue.add_game("nobody", "dice-1", "Dice")
    with refused("not_found"):
        await house.catalogue.games("nobody")
    with refused("not_found"):
        await house.catalogue.disable_game("zeta", "dice-2")
    await house.catalogue.disable_game("zeta", "dice-1")
    dice, other = await house.catalogue.games()
    assert (dice["min_bet"], dice["max_bet"]) == ("0.10", "123456789012345.000000000000000001")
    assert (other["min_bet"], other["max_bet"]) == (None, None)
    assert (dice["disabled"], other["disabled"]) == (False, True)
    assert await house.catalogue.games("acme") == [dice]


async def test_a_player_is_blocked_at_one_casino_alone(house: House) -> None:
    where = await house.ready()
    await house.onboarding.add_casino("other", "http://other.example", confirmation="reply")
    await house.catalogue.open_session(*where, "EUR")
    await house.catalogue.open_session("acme", "other", "dice-1", "player-1", "EUR")
    blocked = "SELECT c.name FROM player JOIN casino c USING (casino_id) WHERE blocked_at IS NOT NULL"
    assert (await house.catalogue.block("royal", "player-1", blocked=True))["blocked"] is True
    assert await house.sql(blocked) == ["royal"]
    await house.catalogue.block("royal", "player-1", blocked=False)
    assert await house.sql(blocked) == []
    with refused("not_found"):
        await house.catalogue.block("royal", "nobody", blocked=True)
