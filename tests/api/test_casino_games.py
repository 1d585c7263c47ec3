"""The catalogue as casinos read it: pages, changes since, filters, ETags, scopes, and queries that cannot be read."""

import secrets
from typing import Any
from urllib.parse import urlencode

import pytest

from betcore.db.onboarding_catalogue import Catalogue
from betcore.db.onboarding_limits import Limits
from tests.api.casino_caller import ACCEPT, GAMES, CasinoCaller, casino_caller
from tests.api.wire import Api
from tests.in_process_casino import InProcessCasino

DONE, MALFORMED, NOT_AUTHORISED, FORBIDDEN = (200, 200), (400, 103801), (401, 401), (403, 403)


class Reader:
    """A casino that reads the games of a provider of its own."""

    def __init__(self, caller: CasinoCaller, provider: str) -> None:
        self.caller = caller
        self.provider = provider
        self.catalogue = Catalogue(caller.casino.engine)
        self.limits = Limits(caller.casino.engine)

    async def page(self, **query: object) -> Any:
        """Return the Value of an answer."""
        where = f"{GAMES}?{urlencode({'provider': self.provider} | query)}"
        found = await self.caller.get(where, await self.caller.bearer())
        assert found.code == DONE
        return found.value

    async def games(self, **query: object) -> list[Any]:
        """Return all games of all pages."""
        found, page = [], await self.page(**query)
        while True:
            found += page["Games"]
            if page["NextCursor"] is None:
                return found
            page = await self.page(**query | {"cursor": page["NextCursor"]})


@pytest.fixture
async def caller(api: Api, casino: InProcessCasino) -> CasinoCaller:
    return await casino_caller(api, casino, "c", casino.partner_client_id)


@pytest.fixture
async def reader(caller: CasinoCaller) -> Reader:
    """A provider with five games."""
    reader = Reader(caller, f"lister-{secrets.token_hex(4)}")
    await caller.desk.add_provider(reader.provider, "http://127.0.0.1:1")
    for number in range(5):
        await reader.catalogue.add_game(reader.provider, f"g{number}", f"Game {number}")
    return reader


async def test_a_game_says_all_that_a_casino_needs(reader: Reader) -> None:
    await reader.caller.sql(
        "UPDATE game SET category = 'casual', max_odd = 1.96, image_url = 'https://p.example/d.png' "
        "WHERE provider_game_id = 'g0' AND provider_id = (SELECT provider_id FROM provider WHERE name = :name)",
        name=reader.provider,
    )
    await reader.limits.set_game(reader.provider, "g0", "JPY", "10", None)
    await reader.limits.set_game(reader.provider, "g0", "EUR", "0.10", "500")
    found = {game["Name"]: game for game in await reader.games()}
    number = (await reader.catalogue.game(reader.provider, "g0"))["id"]
    updated_at = found["Game 0"].pop("UpdatedAt")
    assert found["Game 0"] == {
        "GameId": number,
        "Provider": reader.provider,
        "Name": "Game 0",
        "Category": "casual",
        "MaxOdd": "1.96",
        "ImageUrl": "https://p.example/d.png",
        "Limits": [
            {"CurrencyCode": "EUR", "MinBet": "0.10", "MaxBet": "500"},
            {"CurrencyCode": "JPY", "MinBet": "10", "MaxBet": None},
        ],
        "Currencies": ["EUR", "JPY"],
        "Demo": True,
        "Enabled": True,
    }
    assert updated_at.endswith("Z")
    plain = found["Game 1"]
    assert (plain["MaxOdd"], plain["Limits"], plain["Currencies"], plain["Category"]) == (None, [], None, None)


async def test_pages_have_every_game_once(reader: Reader) -> None:
    first = await reader.page(limit=2)
    assert [game["Name"] for game in first["Games"]] == ["Game 0", "Game 1"]
    assert [game["Name"] for game in await reader.games(limit=2)] == [f"Game {number}" for number in range(5)]
    assert (await reader.page(limit=5))["NextCursor"] is None


async def test_a_game_that_changes_between_two_pages_comes_again_and_none_is_missed(reader: Reader) -> None:
    first = await reader.page(limit=2)
    await reader.catalogue.disable_game(reader.provider, "g0")
    rest = await reader.games(limit=2, cursor=first["NextCursor"])
    assert [(game["Name"], game["Enabled"]) for game in rest] == [
        ("Game 2", True), ("Game 3", True), ("Game 4", True), ("Game 0", False),
    ]  # fmt: skip


async def test_what_has_changed_since_is_all_that_comes(reader: Reader) -> None:
    async def changed() -> list[tuple[str, bool]]:
        nonlocal since
        found = await reader.games(updatedSince=since)
        since = found[-1]["UpdatedAt"] if found else since
        return sorted((game["Name"], game["Enabled"]) for game in found)

    since = (await reader.games())[-1]["UpdatedAt"]
    assert await changed() == []
    await reader.catalogue.disable_game(reader.provider, "g1")
    assert await changed() == [("Game 1", False)]
    await reader.caller.sql(
        "UPDATE game SET gone_at = now() WHERE provider_game_id = 'g2' "
        "AND provider_id = (SELECT provider_id FROM provider WHERE name = :name)",
        name=reader.provider,
    )
    assert await changed() == [("Game 2", False)]
    await reader.limits.set_game(reader.provider, "g3", "EUR", "1", None)
    assert await changed() == [("Game 3", True)]
    await reader.caller.desk.disable("provider", reader.provider)
    assert [enabled for _, enabled in await changed()] == [False] * 5
    await reader.caller.desk.enable("provider", reader.provider)
    assert [name for name, enabled in await changed() if enabled] == ["Game 0", "Game 3", "Game 4"]


async def test_games_are_filtered(reader: Reader) -> None:
    await reader.caller.sql(
        "UPDATE game SET category = 'slots' WHERE provider_game_id IN ('g1', 'g3') "
        "AND provider_id = (SELECT provider_id FROM provider WHERE name = :name)",
        name=reader.provider,
    )
    assert [game["Name"] for game in await reader.games(category="slots", limit=1)] == ["Game 1", "Game 3"]
    assert await reader.games(category="no such") == []
    assert await reader.games(provider="no such") == []
    assert {reader.provider, "p"} <= {game["Provider"] for game in await reader.games(provider="")}


async def test_a_page_that_the_casino_has_is_not_sent_again(reader: Reader) -> None:
    where, bearer = f"{GAMES}?provider={reader.provider}", await reader.caller.bearer()
    etag = {"If-None-Match": (await reader.caller.get(where, bearer)).answer.headers["etag"]}
    assert (await reader.caller.get(where, bearer, **etag)).answer.status == 304
    several = {"If-None-Match": f'"x", {etag["If-None-Match"]}'}
    assert (await reader.caller.get(where, bearer, **several)).answer.status == 304
    await reader.catalogue.disable_game(reader.provider, "g1")
    assert (await reader.caller.get(where, bearer, **etag)).code == DONE


@pytest.mark.parametrize(
    "query",
    [
        *(f"limit={one}" for one in ("0", "-1", "501", "1.5", "x", "1000", "%C2%B9")),
        *(f"updatedSince={one}" for one in ("yesterday", "1", "2026-11-26T10:00:00", "2026-13-01T00:00:00Z", "%00")),
        *(f"cursor={one}" for one in ("x", "-1", "%20", "G", "f" * 15)),
        *("category=a&category=b", "limit=1&limit=1", f"provider={'x' * 129}", "category=a%0Ab"),
    ],
)
async def test_a_query_that_cannot_be_read(caller: CasinoCaller, query: str) -> None:
    assert (await caller.get(f"{GAMES}?{query}", await caller.bearer())).code == MALFORMED


@pytest.mark.parametrize(
    "query",
    ["updatedSince=2026-11-26T10:00:00+02:00", "updatedSince=1969-01-01T00:00:00Z", "limit=", "unknown=1", "limit=500",
     "updatedSince=9999-12-31T23:59:59.999999Z", "cursor=ffffffffffff", "updatedSince=0001-01-01T00:00:00Z"],
)  # fmt: skip
async def test_a_query_that_can_be_read(caller: CasinoCaller, query: str) -> None:
    assert (await caller.get(f"{GAMES}?{query}", await caller.bearer())).code == DONE


# Scopes


async def test_a_token_is_good_for_what_it_was_asked_for(caller: CasinoCaller) -> None:
    found = await caller.log_in(Scope="games reports")
    assert found.value["Scope"] == "games"
    games, payments = await caller.bearer(Scope="games"), await caller.bearer(Scope="payments")
    assert (await caller.get(GAMES, games)).code == DONE
    assert (await caller.get(GAMES, payments)).code == FORBIDDEN
    _, body = await caller.open()
    assert (await caller.post(ACCEPT, body, games)).code == FORBIDDEN
    assert (await caller.movement(body)).accept_code is None
    assert (await caller.post(ACCEPT, body, payments)).code == DONE


async def test_a_casino_gets_no_scope_that_it_does_not_hold(api: Api, casino: InProcessCasino) -> None:
    name = f"other-{secrets.token_hex(4)}"
    desk = (await casino_caller(api, casino, "c", casino.partner_client_id)).desk
    made = await desk.add_casino(name, "http://127.0.0.1:1", "{confirmation: reply, scopes: [payments]}")
    other = await casino_caller(api, casino, name, int(str(made["partner_client_id"])))
    assert (await other.log_in()).value["Scope"] == "payments"
    assert (await other.get(GAMES, await other.bearer())).code == FORBIDDEN
    for scope in ("games", "no such"):
        assert (await other.log_in(Scope=scope)).code == FORBIDDEN


async def test_a_scope_that_is_withdrawn_ends_in_tokens_that_have_it(api: Api, casino: InProcessCasino) -> None:
    name = f"other-{secrets.token_hex(4)}"
    desk = (await casino_caller(api, casino, "c", casino.partner_client_id)).desk
    made = await desk.add_casino(name, "http://127.0.0.1:1", "confirmation: reply")
    other = await casino_caller(api, casino, name, int(str(made["partner_client_id"])))
    bearer = await other.bearer()
    assert (await other.get(GAMES, bearer)).code == DONE
    await desk.change("casino", name, profile="{confirmation: reply, scopes: [payments]}")
    assert (await other.get(GAMES, bearer)).code == FORBIDDEN
    await desk.change("casino", name, profile="confirmation: reply")
    assert (await other.get(GAMES, bearer)).code == DONE


@pytest.mark.parametrize("scope", [1, ["games"], True, {}])
async def test_a_scope_that_is_no_text(caller: CasinoCaller, scope: object) -> None:
    assert (await caller.log_in(Scope=scope)).code == MALFORMED


async def test_without_a_token_there_are_no_games(caller: CasinoCaller) -> None:
    assert (await caller.get(GAMES)).code == NOT_AUTHORISED
    assert (await caller.get(GAMES, "Bearer nonsense")).code == NOT_AUTHORISED
    assert (await caller.post(GAMES, {}, await caller.bearer())).code == (405, 405)
