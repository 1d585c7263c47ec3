"""What persons change of the configuration is recorded with the change, and stays."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from betcore.db.admin_events import AdminEvents
from betcore.db.database import Database, DatabaseError, open_database
from betcore.db.engine import create_engine
from betcore.db.jackpot_pools import JackpotPools
from betcore.db.live_rounds import LiveRounds, NewLiveGame
from betcore.db.onboarding_sessions import NewSession
from betcore.domain.errors import BetcoreError, NotFound
from betcore.domain.jackpots import NewPool
from betcore.domain.money import Money
from betcore.runtime.settings import Settings
from tests.unit.partner_database import PartnerDatabase

Json = dict[str, Any]


@pytest.fixture
async def by_ann(database_url: str) -> AsyncIterator[PartnerDatabase]:
    """The database of a command that Ann has given."""
    settings = Settings(database_url=SecretStr(database_url), database_pool_size=5)
    engine = create_engine(settings, "ann")
    async with open_database(settings, "ann") as db:
        yield PartnerDatabase(db, engine)
    await engine.dispose()


async def events(db: Database, of: str | None = None) -> list[Json]:
    """Return the changes, oldest first."""
    return (await AdminEvents(db).listed(since=None, of=of, before=None, limit=100))[::-1]


async def open_session(database: PartnerDatabase) -> Json:
    return await database.sessions.open(NewSession("acme", "royal", "dice-1", "player-1", "EUR"))


def told(event: Json) -> tuple[object, ...]:
    return event["operator"], event["action"], event["subject"], event["name"]


@pytest.mark.edge_case(260)
async def test_each_change_is_recorded_with_who_made_it_and_both_values(by_ann: PartnerDatabase) -> None:
    await by_ann.ready()
    await by_ann.onboarding.change("provider", "acme", profile="order_window: 7.5")
    await by_ann.limits.set_game("acme", "dice-1", "EUR", "0.10", "100")
    await by_ann.catalogue.disable_game("acme", "dice-1")
    assert list(map(told, await events(by_ann.db))) == [
        ("ann", "insert", "provider", "acme"),
        ("ann", "insert", "casino", "royal"),
        ("ann", "insert", "game", "acme/dice-1"),
        ("ann", "insert", "game_limit", "acme/dice-1"),
        ("ann", "update", "provider", "acme"),
        ("ann", "update", "game_limit", "acme/dice-1"),
        ("ann", "update", "game", "acme/dice-1"),
    ]
    *_, profile, limits, game = await events(by_ann.db)
    assert (profile["old"]["profile"]["order_window"], profile["new"]["profile"]["order_window"]) == (30.0, 7.5)
    assert (profile["old"].keys(), profile["new"].keys()) == ({"profile"}, {"profile"})
    assert (limits["old"], limits["new"]) == ({"max_bet": 500}, {"max_bet": 100})
    assert game["old"] == {"disabled_at": None}


@pytest.mark.edge_case(260)
async def test_what_changes_nothing_is_no_event(by_ann: PartnerDatabase) -> None:
    await by_ann.ready()
    before = await events(by_ann.db)
    await by_ann.onboarding.enable("casino", "royal")
    await by_ann.limits.set_game("acme", "dice-1", "EUR", "0.10", "500")
    assert await events(by_ann.db) == before


@pytest.mark.edge_case(260)
async def test_a_secret_is_shown_as_its_fingerprint_alone(by_ann: PartnerDatabase) -> None:
    await by_ann.onboarding.add_provider("acme", "http://acme.example")
    await by_ann.keys.ensure()
    await by_ann.onboarding.rotate_secret("provider", "acme", 60)
    sealed = await by_ann.sql(
        "SELECT secret FROM provider UNION SELECT previous_secret FROM provider "
        "UNION SELECT private_pem FROM signing_key"
    )
    added, key, rotated = await events(by_ann.db)
    assert not [one for one in sealed if one in str([added, key, rotated])]
    assert str(key["new"]["private_pem"]).startswith("sha256:")
    assert rotated["old"]["secret"] == added["new"]["secret"]
    # It is sealed anew for its new place.
    assert str(rotated["new"]["previous_secret"]).startswith("sha256:")
    assert rotated["new"]["secret"] != added["new"]["secret"]


@pytest.mark.edge_case(260)
async def test_players_sessions_jackpots_and_live_games_are_recorded_too(by_ann: PartnerDatabase) -> None:
    await by_ann.ready()
    session = await open_session(by_ann)
    await by_ann.sessions.close(str(session["session_id"]))
    await by_ann.sessions.block("royal", "player-1", blocked=True)
    pools = JackpotPools(by_ann.db)
    made = await pools.add(
        NewPool("royal", "Grand", "acme", "dice-1", None, Decimal("0.01"), Money.parse("100.00", "EUR"))
    )
    await pools.adjust(made.jackpot_id, 500, "ben", "a gift")
    await pools.adjust(made.jackpot_id, 500, "ann", "a gift")
    await pools.disable(made.jackpot_id)
    rounds = LiveRounds(by_ann.db)
    await rounds.add_game(NewLiveGame(3, "acme", "draw", 15, None))
    await rounds.set_maintenance(3, True)
    found = [told(one)[1:3] for one in (await events(by_ann.db))[4:]]
    assert found == [
        ("insert", "session"),
        ("update", "session"),
        ("update", "player"),
        ("insert", "jackpot"),
        ("insert", "jackpot_entry"),
        ("update", "jackpot"),
        ("insert", "live_game"),
        ("update", "live_game"),
    ]
    [adjusted] = [one for one in await events(by_ann.db, "royal") if one["subject"] == "jackpot_entry"]
    assert (adjusted["name"], adjusted["new"]["operators"]) == ("royal/Grand", ["ben", "ann"])
    assert "player-1" not in str(await events(by_ann.db))


@pytest.mark.edge_case(260)
async def test_what_players_and_syncs_write_is_no_change_of_a_person(database_url: str) -> None:
    async with PartnerDatabase.at(database_url) as database:
        await database.ready()
        await open_session(database)
        await database.sql("UPDATE game SET name = 'Another'")
        found = [told(one)[1:3] for one in await events(database.db)]
    assert found == [("insert", "provider"), ("insert", "casino"), ("insert", "game_limit")]


@pytest.mark.edge_case(260)
async def test_a_change_without_a_command_names_the_role_that_has_logged_in(database_url: str) -> None:
    async with PartnerDatabase.at(database_url) as database:
        await database.ready()
        await database.sql("UPDATE game SET disabled_at = now()")
        [role] = await database.sql("SELECT session_user::text")
        *_, last = await events(database.db)
    assert told(last) == (None, "update", "game", "acme/dice-1")
    assert last["role"] == role


@pytest.mark.edge_case(260)
async def test_a_change_that_is_refused_leaves_no_event(by_ann: PartnerDatabase) -> None:
    await by_ann.ready()
    before = await events(by_ann.db)
    with pytest.raises(NotFound):
        await by_ann.onboarding.disable("provider", "nobody")
    with pytest.raises(BetcoreError):
        await by_ann.limits.set_game("acme", "dice-1", "EUR", "9", "1")
    assert await events(by_ann.db) == before


@pytest.mark.edge_case(260)
@pytest.mark.parametrize(
    "statement", ["UPDATE admin_event SET operator = 'ben'", "DELETE FROM admin_event", "TRUNCATE admin_event"]
)
async def test_an_event_is_never_changed(statement: str, by_ann: PartnerDatabase) -> None:
    await by_ann.ready()
    with pytest.raises(DatabaseError, match="stands"):
        await by_ann.sql(statement)


@pytest.mark.edge_case(260)
async def test_events_are_listed_by_time_by_name_and_by_page(by_ann: PartnerDatabase) -> None:
    await by_ann.ready()
    found = await events(by_ann.db)
    reader = AdminEvents(by_ann.db)
    assert [one["name"] for one in await events(by_ann.db, "acme")] == ["acme", "acme/dice-1", "acme/dice-1"]
    assert [one["name"] for one in await events(by_ann.db, "acm")] == []
    page = await reader.listed(since=None, of=None, before=int(str(found[2]["event_id"])), limit=1)
    assert page == [found[1]]
    [latest] = await by_ann.sql("SELECT max(at) FROM admin_event")
    assert await reader.listed(since=latest, of=None, before=None, limit=9) == [found[-1]]
