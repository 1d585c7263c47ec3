"""The sync of a provider's games: a real provider over HTTP, a real database, the activity as a worker runs it."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.catalogue import CatalogueKeeper
from betcore.db.catalogue_sync import CatalogueSyncs
from betcore.db.onboarding_sessions import NewSession
from betcore.domain.catalogue import SyncCatalogue, Synced
from betcore.provider.client import ProviderClient
from devkit.sandbox.provider.server import create_app
from tests.serving import serving
from tests.unit.partner_database import PartnerDatabase, refused

# NUL, half an emoji, a number beyond numeric.
ODD_VALUES = ('"\\u0000"', '"\\ud83c"', "1e99999999")


def games(*ids: object, **fields: object) -> list[dict[str, object]]:
    return [{"gameId": one, "name": f"Game {one}", **fields} for one in ids]


@dataclass
class Provider:
    """A provider whose list a test sets, and the sync of it."""

    database: PartnerDatabase
    http: aiohttp.ClientSession
    url: str
    counterparty_id: str
    keeper: CatalogueKeeper

    async def lists(self, body: object, status: int = 200) -> None:
        """Set the list: anything that becomes JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        where = f"{self.url}/_games?counterparty_id={self.counterparty_id}&status={status}"
        async with self.http.post(where, data=BytesIO(data)) as answer:
            assert answer.status == 200

    async def sync(self, body: object = None, *, accept: bool = False) -> Synced:
        """Sync the games, after setting the list if one is given."""
        if body is not None:
            await self.lists(body)
        order = SyncCatalogue(counterparty_id=self.counterparty_id, accept=accept, operator="ann" if accept else None)
        return await ActivityEnvironment().run(self.keeper.sync_catalogue, order)

    async def offered(self) -> list[str]:
        return [str(one["game_id"]) for one in await self.database.catalogue.games("acme") if one["offered"]]

    async def incidents(self) -> Sequence[str]:
        found: Sequence[str] = await self.database.sql("SELECT kind FROM incident ORDER BY incident_id")
        return found


@pytest.fixture
async def provider(database_url: str) -> AsyncIterator[Provider]:
    provider = serving(create_app())
    async with provider as url, PartnerDatabase.at(database_url) as database, aiohttp.ClientSession() as http:
        made = await database.onboarding.add_provider("acme", url)
        async with http.post(f"{url}/_counterparty", json=made) as answer:
            assert answer.status == 200
        keeper = CatalogueKeeper(CatalogueSyncs(database.db), database.partners, ProviderClient(http))
        yield Provider(database, http, url, str(made["counterparty_id"]), keeper)


async def test_the_games_of_a_list_are_on_record(provider: Provider) -> None:
    entry = {"gameId": 7, "name": "Würfel", "gameCategory": "casual", "maxOdd": 1.96, "rtp": 0.965, "tags": ["new"]}
    entry["lobbyImgUrl"] = "https://pictures.example/dice.png"
    done = await provider.sync([entry, *games("b")])
    assert done == Synced(outcome="synced", listed=2, added=2)
    game = await provider.database.catalogue.game("acme", "7")
    assert (game["name"], game["category"], game["max_odd"]) == ("Würfel", "casual", "1.96")
    assert (game["image_url"], game["extra"]) == (entry["lobbyImgUrl"], {"rtp": 0.965, "tags": ["new"]})
    assert (game["offered"], game["disabled"], game["limits"]) == (True, False, {})
    entry["maxOdd"], entry["rtp"] = 2, 0.97
    done = await provider.sync({"_responseCode": 1, "games": [entry, *games("b", "c")]})
    assert (done.added, done.changed, done.gone) == (1, 1, 0)
    assert (await provider.database.catalogue.game("acme", "7"))["max_odd"] == "2"


async def test_a_list_that_is_the_same_writes_nothing(provider: Provider) -> None:
    await provider.sync(games("a", "b"))
    times = "SELECT updated_at FROM game ORDER BY game_id"
    before = await provider.database.sql(times)
    assert (await provider.sync()).outcome == "unchanged"
    again = await provider.sync(accept=True)
    assert (again.outcome, again.listed, again.added, again.changed) == ("synced", 2, 0, 0)
    assert await provider.database.sql(times) == before


async def test_a_missing_game_takes_no_session_and_comes_back(provider: Provider) -> None:
    await provider.database.onboarding.add_casino("royal", "http://royal.example")
    await provider.sync(games("a", "b"))
    assert (await provider.sync(games("a"))).gone == 1
    assert await provider.offered() == ["a"]
    with refused("game_gone"):
        await provider.database.sessions.open(NewSession("acme", "royal", "b", "anna", "EUR"))
    back = await provider.sync(games("a", "b"))
    assert (back.added, back.changed) == (0, 1)
    await provider.database.sessions.open(NewSession("acme", "royal", "b", "anna", "EUR"))


async def test_no_sync_enables_what_an_operator_has_disabled(provider: Provider) -> None:
    await provider.sync(games("a", "b"))
    await provider.database.catalogue.disable_game("acme", "a")
    await provider.sync(games("b"))
    await provider.sync(games("a", "b", rtp=1))
    game = await provider.database.catalogue.game("acme", "a")
    assert (game["offered"], game["disabled"], game["extra"]) == (True, True, {"rtp": 1})


async def test_a_game_that_was_added_by_hand_is_the_one_of_the_list(provider: Provider) -> None:
    await provider.database.catalogue.add_game("acme", "a", "By hand", "EUR", "1", None)
    done = await provider.sync(games("a"))
    assert (done.added, done.changed) == (0, 1)
    game = await provider.database.catalogue.game("acme", "a")
    assert (game["name"], game["limits"]) == ("Game a", {"EUR": {"min_bet": "1", "max_bet": None}})


async def test_a_game_that_was_added_by_hand_is_compared_with_a_list_that_is_the_same(provider: Provider) -> None:
    await provider.sync(games("a"))
    await provider.database.catalogue.add_game("acme", "b", "By hand")
    assert await provider.sync() == Synced(outcome="synced", listed=1, gone=1)
    assert await provider.offered() == ["a"]
    assert (await provider.sync()).outcome == "unchanged"


async def test_a_list_that_shrinks_too_far_is_held_until_it_is_accepted(provider: Provider) -> None:
    await provider.sync(games(*range(30)))
    for _ in range(2):
        held = await provider.sync(games(0, "new", tag="x"))
        assert (held.outcome, held.gone, held.added, held.changed) == ("held", 29, held.added, held.changed)
    assert len(await provider.offered()) == 31
    assert await provider.incidents() == ["catalogue_shrunk"]
    accepted = await provider.sync(accept=True)
    assert (accepted.outcome, accepted.gone) == ("synced", 29)
    changed = await provider.database.sql("SELECT operator || ' ' || name FROM admin_event WHERE subject = 'game'")
    assert sorted(changed) == sorted(f"ann acme/{gone}" for gone in range(1, 30))
    assert await provider.offered() == ["0", "new"]
    assert (await provider.sync([])).outcome == "held"
    assert await provider.offered() == ["0", "new"]
    assert await provider.incidents() == ["catalogue_shrunk", "catalogue_shrunk"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (games("a"), 500, "status"),
        (games("a"), 302, "status"),
        (b"<html></html>", 200, "no_list"),
        (b"[{]", 200, "not_json"),
        ({"_responseCode": 8, "games": []}, 200, "response_code"),
        ([{}, *games("a")], 200, "too_many_bad"),
    ],
)
async def test_a_list_that_is_none_changes_nothing_and_files_one_incident(
    provider: Provider, body: object, status: int, reason: str
) -> None:
    await provider.sync(games("a", "b"))
    await provider.lists(body, status)
    for _ in range(2):
        done = await provider.sync()
        assert (done.outcome, done.reason, done.listed) == ("failed", reason, 0)
    assert await provider.offered() == ["a", "b"]
    assert await provider.incidents() == ["catalogue_failed"]
    shown: Any = await CatalogueSyncs(provider.database.db).shown("acme")
    assert (shown["outcome"], shown["reason"]) == ("failed", reason)
    assert shown["synced_at"] < shown["tried_at"]
    assert (await provider.sync(games("a", "b"))).outcome in ("synced", "unchanged")


async def test_a_provider_that_cannot_be_reached_keeps_its_games(provider: Provider) -> None:
    await provider.sync(games("a"))
    await provider.database.onboarding.change("provider", "acme", address="http://127.0.0.1:1")
    assert (await provider.sync()).reason == "connection"
    assert await provider.offered() == ["a"]


async def test_what_postgresql_cannot_keep_costs_the_extra_fields_alone(provider: Provider) -> None:
    kept = [f'{{"gameId":{number},"name":"n","x":{value}}}' for number, value in enumerate(ODD_VALUES)]
    assert (await provider.sync(f"[{','.join(kept)}]".encode())).added == 3
    assert await provider.database.sql("SELECT count(*) FROM game WHERE extra = '{}'") == [3]


async def test_a_disabled_provider_is_not_asked_and_an_unknown_one_is_an_error(provider: Provider) -> None:
    await provider.database.onboarding.disable("provider", "acme")
    assert (await provider.sync(games("a"))).reason == "provider_disabled"
    assert await provider.offered() == []
    provider.counterparty_id = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(ApplicationError, match="no such provider"):
        await provider.sync()


async def test_a_catalogue_of_20000_games_is_synced_in_few_statements(provider: Provider) -> None:
    many = games(*range(20_000), gameCategory="slots")
    assert (await provider.sync(many)).added == 20_000
    many[0]["name"] = "Another name"
    done = await provider.sync(many[:12_000])
    assert (done.outcome, done.changed, done.gone) == ("synced", 1, 8_000)
    assert await provider.database.sql("SELECT count(*) FROM game WHERE gone_at IS NULL") == [12_000]


async def test_a_list_is_not_compared_by_a_plan_that_was_kept_for_another_one(
    provider: Provider, database_url: str
) -> None:
    many = games(*range(20_000))
    assert (await provider.sync(many)).added == 20_000
    # As on a connection that has had five syncs.
    name = database_url.rpartition("/")[2]
    await provider.database.sql(f'ALTER DATABASE "{name}" SET plan_cache_mode = force_generic_plan')
    async with PartnerDatabase.at(database_url) as later, aiohttp.ClientSession() as http:
        assert await later.sql("SHOW plan_cache_mode") == ["force_generic_plan"]
        provider.keeper = CatalogueKeeper(CatalogueSyncs(later.db), provider.database.partners, ProviderClient(http))
        assert (await provider.sync(many[:12_000])).gone == 8_000


async def test_times_of_change_are_unique_and_follow_commits(provider: Provider) -> None:
    await provider.sync(games(*range(50)))
    assert await provider.database.sql("SELECT count(DISTINCT updated_at) FROM game") == [50]

    async def moved(change: Any) -> int:
        before = await provider.database.sql("SELECT updated_at FROM game")
        await change
        after = await provider.database.sql("SELECT updated_at FROM game")
        assert min(set(after) - set(before), default=max(before)) >= max(before)
        return len(set(after) - set(before))

    database = provider.database
    assert await moved(database.catalogue.disable_game("acme", "1")) == 1
    assert await moved(database.limits.set_game("acme", "2", "EUR", "1", None)) == 1
    assert await moved(database.onboarding.suspend("acme", suspended=True)) == 50
    assert await moved(database.onboarding.change("provider", "acme", profile="rate: {burst: 9}")) == 0
