"""Games, players and sessions against a real database."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from betcore.db.onboarding_sessions import NewSession
from tests.unit.partner_database import PartnerDatabase, refused


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[PartnerDatabase]:
    async with PartnerDatabase.at(database_url) as opened:
        yield opened


async def test_what_is_disabled_keeps_its_first_time_and_opens_no_session(database: PartnerDatabase) -> None:
    where = await database.ready()
    await database.catalogue.disable_game("acme", "dice-1")
    with refused("game_disabled"):
        await database.sessions.open(NewSession(*where, "EUR"))
    await database.onboarding.disable("provider", "acme")
    with refused("provider_disabled"):
        await database.sessions.open(NewSession(*where, "EUR"))
    await database.onboarding.disable("casino", "royal")
    with refused("casino_disabled"):
        await database.sessions.open(NewSession(*where, "EUR"))
    times = "SELECT (SELECT disabled_at FROM provider)::text || (SELECT disabled_at FROM casino)::text"
    first = await database.sql(times)
    assert (await database.onboarding.disable("provider", "acme"))["disabled"] is True
    assert (await database.onboarding.disable("casino", "royal"))["disabled"] is True
    assert await database.sql(times) == first
    assert await database.sql("SELECT count(*) FROM player") == [0]


async def test_a_session_registers_its_player_once(database: PartnerDatabase) -> None:
    where = await database.ready()
    first = await database.sessions.open(NewSession(*where, "EUR"))
    second = await database.sessions.open(NewSession(*where, "EUR", mode="demo"))
    assert UUID(first["session_id"]).version == 4
    assert (first["mode"], second["mode"], first["ended_at"]) == ("real", "demo", None)
    assert await database.sql("SELECT partner_user_id FROM player") == ["player-1"]
    assert await database.sql("SELECT count(DISTINCT session_id) FROM session") == [2]


async def test_the_newest_open_session_for_money_is_found(database: PartnerDatabase) -> None:
    where = await database.ready()
    assert await database.sessions.newest(*where) is None
    await database.sessions.open(NewSession(*where, "EUR", mode="demo"))
    assert await database.sessions.newest(*where) is None
    first = await database.sessions.open(NewSession(*where, "EUR"))
    second = await database.sessions.open(NewSession(*where, "EUR"))
    assert await database.sessions.newest(*where) == second
    await database.sessions.close(second["session_id"])
    assert await database.sessions.newest(*where) == first


async def test_a_session_on_what_is_not_there_is_refused(database: PartnerDatabase) -> None:
    provider, casino, game, player = await database.ready()
    await database.onboarding.add_provider("other", "http://other.example")
    for where in ((provider, "x", game), ("x", casino, game), (provider, casino, "x"), ("other", casino, game)):
        with refused("not_found"):
            await database.sessions.open(NewSession(*where, player, "EUR"))
    with refused("unknown_currency"):
        await database.sessions.open(NewSession(provider, casino, game, player, "EURO"))
    with refused("invalid_name"):
        await database.sessions.open(NewSession(provider, casino, game, "", "EUR"))
    with refused("invalid_mode"):
        await database.sessions.open(NewSession(provider, casino, game, player, "EUR", mode="fun"))
    assert await database.sql("SELECT count(*) FROM player") == [0]


async def test_a_game_with_limits_is_played_in_their_currencies_alone(database: PartnerDatabase) -> None:
    """500 EUR are not 500 JPY: in a currency without limits of its own a stake would have none."""
    where = await database.ready()
    with refused("currency_unsupported", "JPY"):
        await database.sessions.open(NewSession(*where, "JPY"))
    limits = await database.limits.set_game("acme", "dice-1", "JPY", "10", None)
    assert limits == {"EUR": {"min_bet": "0.10", "max_bet": "500"}, "JPY": {"min_bet": "10", "max_bet": None}}
    assert (await database.sessions.open(NewSession(*where, "JPY")))["currency"] == "JPY"
    await database.catalogue.add_game("acme", "wheel", "Wheel")
    assert (await database.sessions.open(NewSession(*where[:2], "wheel", "anna", "KWD")))["currency"] == "KWD"


async def test_limits_without_a_currency_open_no_session_until_they_have_one(database: PartnerDatabase) -> None:
    """A game of an older release may have limits and was never played: in which currency is not known."""
    where = await database.ready()
    await database.sql("DELETE FROM game_limit")
    await database.sql("UPDATE game SET max_bet = 500")
    with refused("currency_unsupported", "set-limits"):
        await database.sessions.open(NewSession(*where, "EUR"))
    await database.limits.set_game("acme", "dice-1", "EUR", None, "500")
    await database.sessions.open(NewSession(*where, "EUR"))


async def test_limits_are_replaced_and_those_of_a_casino_are_its_own(database: PartnerDatabase) -> None:
    where = await database.ready()
    assert await database.limits.set_casino("royal", "EUR", None, "0.05") == {
        "EUR": {"min_bet": None, "max_bet": "0.05"}
    }
    with refused("limits_empty", r"0\.10 to 0\.05"):
        await database.sessions.open(NewSession(*where, "EUR"))
    await database.limits.set_casino("royal", "EUR", None, None)
    assert await database.limits.of_casino("royal") == {"EUR": {"min_bet": None, "max_bet": None}}
    with refused("limits_empty"):
        await database.sessions.open(NewSession(*where, "EUR", max_bet="0.09"))
    await database.limits.set_game("acme", "dice-1", "EUR", None, None)
    assert await database.limits.of_game("acme", "dice-1") == {"EUR": {"min_bet": None, "max_bet": None}}
    await database.sessions.open(NewSession(*where, "EUR", max_bet="0.09"))
    with refused("not_found"):
        await database.limits.set_casino("nobody", "EUR", None, None)
    with refused("not_found"):
        await database.limits.set_game("acme", "wheel", "EUR", None, None)
    with refused("unknown_currency"):
        await database.limits.set_casino("royal", "EURO", None, None)


async def test_a_session_keeps_its_brand(database: PartnerDatabase) -> None:
    where = await database.ready()
    assert (await database.sessions.open(NewSession(*where, "EUR")))["brand"] is None
    assert (await database.sessions.open(NewSession(*where, "EUR", brand="royal.example")))["brand"] == "royal.example"
    with refused("invalid_name"):
        await database.sessions.open(NewSession(*where, "EUR", brand="x" * 129))


async def test_a_session_ends_once(database: PartnerDatabase) -> None:
    opened = await database.sessions.open(NewSession(*await database.ready(), "EUR"))
    closed = await database.sessions.close(opened["session_id"])
    assert (opened["state"], closed["state"], closed["end_reason"]) == ("open", "ended", "closed")
    assert closed["ended_at"] is not None
    assert await database.sessions.close(opened["session_id"]) == closed
    with refused("not_found"):
        await database.sessions.close("no-such-session")


@pytest.mark.parametrize(
    ("currency", "min_bet", "max_bet"),
    [("EUR", "-1", None), ("EUR", "1e3", None), ("EUR", None, "NaN"), ("EUR", "01", None), ("EUR", "", None),
     ("EUR", "1.", None), ("BHD", None, "0.0001"), ("EUR", "2", "1.99"), ("EUR", "1" * 16, None),
     ("EUR", "\u0661", None), ("JPY", "0.10", None), ("EUR", "0.125", None), (None, "1", None)],
)  # fmt: skip
async def test_limits_that_are_no_amounts_of_their_currency_are_refused(
    database: PartnerDatabase, currency: str | None, min_bet: str | None, max_bet: str | None
) -> None:
    await database.onboarding.add_provider("acme", "http://acme.example")
    with refused("invalid_limits"):
        await database.catalogue.add_game("acme", "dice-1", "Dice", currency, min_bet, max_bet)
    assert await database.catalogue.games() == []


async def test_games_are_listed_by_provider_with_exact_limits(database: PartnerDatabase) -> None:
    await database.ready("0.10", "123456789012345.01")
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
    assert dice["limits"] == {"EUR": {"min_bet": "0.10", "max_bet": "123456789012345.01"}}
    assert other["limits"] == {}
    assert (dice["disabled"], other["disabled"]) == (False, True)
    assert await database.catalogue.games("acme") == [dice]
    shown = await database.catalogue.game("acme", "dice-1")
    assert shown | dice == shown


async def test_a_player_is_blocked_at_one_casino_alone(database: PartnerDatabase) -> None:
    where = await database.ready()
    await database.onboarding.add_casino("other", "http://other.example", confirmation="reply")
    await database.sessions.open(NewSession(*where, "EUR"))
    await database.sessions.open(NewSession("acme", "other", "dice-1", "player-1", "EUR"))
    blocked = "SELECT c.name FROM player JOIN casino c USING (casino_id) WHERE blocked_at IS NOT NULL"
    assert (await database.sessions.block("royal", "player-1", blocked=True))["blocked"] is True
    assert await database.sql(blocked) == ["royal"]
    await database.sessions.block("royal", "player-1", blocked=False)
    assert await database.sql(blocked) == []
    with refused("not_found"):
        await database.sessions.block("royal", "nobody", blocked=True)
