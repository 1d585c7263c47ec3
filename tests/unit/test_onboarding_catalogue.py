"""Games, players and sessions against a real database."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from tests.unit.partner_database import PartnerDatabase, refused


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[PartnerDatabase]:
    async with PartnerDatabase.at(database_url) as opened:
        yield opened


async def test_what_is_disabled_keeps_its_first_time_and_opens_no_session(database: PartnerDatabase) -> None:
    where = await database.ready()
    await database.catalogue.disable_game("acme", "dice-1")
    with refused("game_disabled"):
        await database.catalogue.open_session(*where, "EUR")
    await database.onboarding.disable("provider", "acme")
    with refused("provider_disabled"):
        await database.catalogue.open_session(*where, "EUR")
    await database.onboarding.disable("casino", "royal")
    with refused("casino_disabled"):
        await database.catalogue.open_session(*where, "EUR")
    times = "SELECT (SELECT disabled_at FROM provider)::text || (SELECT disabled_at FROM casino)::text"
    first = await database.sql(times)
    assert (await database.onboarding.disable("provider", "acme"))["disabled"] is True
    assert (await database.onboarding.disable("casino", "royal"))["disabled"] is True
    assert await database.sql(times) == first
    assert await database.sql("SELECT count(*) FROM player") == [0]


async def test_a_session_registers_its_player_once(database: PartnerDatabase) -> None:
    where = await database.ready()
    first = await database.catalogue.open_session(*where, "EUR")
    second = await database.catalogue.open_session(*where, "EUR", mode="demo")
    assert UUID(first["session_id"]).version == 4
    assert (first["mode"], second["mode"], first["ended_at"]) == ("real", "demo", None)
    assert await database.sql("SELECT partner_user_id FROM player") == ["player-1"]
    assert await database.sql("SELECT count(DISTINCT session_id) FROM session") == [2]


async def test_the_newest_open_session_for_money_is_found(database: PartnerDatabase) -> None:
    where = await database.ready()
    assert await database.catalogue.open_session_of(*where) is None
    await database.catalogue.open_session(*where, "EUR", mode="demo")
    assert await database.catalogue.open_session_of(*where) is None
    first = await database.catalogue.open_session(*where, "EUR")
    second = await database.catalogue.open_session(*where, "EUR")
    assert await database.catalogue.open_session_of(*where) == second
    await database.catalogue.close_session(second["session_id"])
    assert await database.catalogue.open_session_of(*where) == first


async def test_a_session_on_what_is_not_there_is_refused(database: PartnerDatabase) -> None:
    provider, casino, game, player = await database.ready()
    await database.onboarding.add_provider("other", "http://other.example")
    for where in ((provider, "x", game), ("x", casino, game), (provider, casino, "x"), ("other", casino, game)):
        with refused("not_found"):
            await database.catalogue.open_session(*where, player, "EUR")
    with refused("unknown_currency"):
        await database.catalogue.open_session(provider, casino, game, player, "EURO")
    with refused("invalid_name"):
        await database.catalogue.open_session(provider, casino, game, "", "EUR")
    with refused("invalid_mode"):
        await database.catalogue.open_session(provider, casino, game, player, "EUR", mode="fun")
    assert await database.sql("SELECT count(*) FROM player") == [0]


async def test_limits_must_fit_the_currency_of_the_session(database: PartnerDatabase) -> None:
    where = await database.ready(min_bet="0.125", max_bet="1.5")
    for currency in ("EUR", "JPY"):
        with refused("invalid_limits", currency):
            await database.catalogue.open_session(*where, currency)
    assert (await database.catalogue.open_session(*where, "KWD"))["currency"] == "KWD"


async def test_a_session_ends_once(database: PartnerDatabase) -> None:
    opened = await database.catalogue.open_session(*await database.ready(), "EUR")
    closed = await database.catalogue.close_session(opened["session_id"])
    assert closed["ended_at"] is not None
    assert await database.catalogue.close_session(opened["session_id"]) == closed
    with refused("not_found"):
        await database.catalogue.close_session("no-such-session")


@pytest.mark.parametrize(
    ("min_bet", "max_bet"),
    [("-1", None), ("1e3", None), (None, "NaN"), ("01", None), ("", None), ("1.", None), (None, "0." + "1" * 19),
     ("2", "1.99"), ("1" * 16, None), ("\u0661", None)],
)  # fmt: skip
async def test_limits_that_are_no_amounts_are_refused(
    database: PartnerDatabase, min_bet: str | None, max_bet: str | None
) -> None:
    await database.onboarding.add_provider("acme", "http://acme.example")
    with refused("invalid_limits"):
        await database.catalogue.add_game("acme", "dice-1", "Dice", min_bet, max_bet)


async def test_games_are_listed_by_provider_with_exact_limits(database: PartnerDatabase) -> None:
    await database.ready("0.10", "123456789012345.000000000000000001")
    await database.onboarding.add_provider("zeta", "http://zeta.example")
    await database.catalogue.add_game("zeta", "dice-1", "Other dice")
    with refused("already_exists"):
        await database.catalogue.add_game("acme", "dice-1", "Dice again")
    with refused("not_found"):
        await database.catalogue.add_game("nobody", "dice-1", "Dice")
    with refused("not_found"):
        await database.catalogue.games("nobody")
    with refused("not_found"):
        await database.catalogue.disable_game("zeta", "dice-2")
    await database.catalogue.disable_game("zeta", "dice-1")
    dice, other = await database.catalogue.games()
    assert (dice["min_bet"], dice["max_bet"]) == ("0.10", "123456789012345.000000000000000001")
    assert (other["min_bet"], other["max_bet"]) == (None, None)
    assert (dice["disabled"], other["disabled"]) == (False, True)
    assert await database.catalogue.games("acme") == [dice]


async def test_a_player_is_blocked_at_one_casino_alone(database: PartnerDatabase) -> None:
    where = await database.ready()
    await database.onboarding.add_casino("other", "http://other.example", confirmation="reply")
    await database.catalogue.open_session(*where, "EUR")
    await database.catalogue.open_session("acme", "other", "dice-1", "player-1", "EUR")
    blocked = "SELECT c.name FROM player JOIN casino c USING (casino_id) WHERE blocked_at IS NOT NULL"
    assert (await database.catalogue.block("royal", "player-1", blocked=True))["blocked"] is True
    assert await database.sql(blocked) == ["royal"]
    await database.catalogue.block("royal", "player-1", blocked=False)
    assert await database.sql(blocked) == []
    with refused("not_found"):
        await database.catalogue.block("royal", "nobody", blocked=True)
