"""Live games, rounds and results as casinos' servers and pages read them."""

import secrets
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from tests.api.feed_reader import FEED_API, ORIGIN, FeedReader, other_reader
from tests.live_rows import LiveGame
from tests.partner import eventually

MALFORMED, NOT_AUTHORISED, FORBIDDEN, NOT_FOUND = (400, 103801), (401, 401), (403, 403), (404, 404)
AT = datetime(2026, 11, 27, 10, 30, tzinfo=UTC)
PROOF = {"commitment": "ab" * 32, "seed": "cd" * 16, "algorithm": "draw-v1:2/60"}
PARAMETERS = {"gameId", "gameType", "from", "cursor", "limit", "language"}
CALLS = ("/games/list", "/games/info?gameId=x", "/games/results?gameType=1", "/games/types/translations")


async def test_games_are_listed_as_they_are_now(reader: FeedReader, game: LiveGame) -> None:
    async def shown() -> dict[str, object]:
        answer = await reader.get("/games/list?language=pt-BR")
        assert answer.answer.headers["cache-control"] == "private, max-age=1"
        return next(one for one in answer.value if one["GameType"] == game.game_type)

    assert await shown() == {
        "GameType": game.game_type,
        "Name": "Sorteio",
        "InMaintenance": False,
        "BettingSeconds": 12,
        "CurrentGameId": f"round-{game.game_type}-1",
        "State": 2,
        "PlayStatus": 1,
    }
    await game.change(in_maintenance=True)
    await game.put(1, "review")

    async def is_changed() -> bool:
        found = await shown()
        return (found["InMaintenance"], found["State"], found["PlayStatus"]) == (True, 4, None)

    await eventually(is_changed)


async def test_a_round_is_shown_with_its_proof_and_never_changes_once_it_is_finished(
    reader: FeedReader, game: LiveGame
) -> None:
    path = f"/games/info?gameId=round-{game.game_type}-1"
    running = await reader.get(path)
    assert running.answer.headers["cache-control"] == "private, max-age=1"
    assert (running.value["State"], running.value["Results"], running.value["Proof"]) == (2, None, None)
    await game.finish(1, [7, 55], AT, **PROOF)
    found = await reader.get(path)
    assert found.value == {
        "GameId": f"round-{game.game_type}-1",
        "GameType": game.game_type,
        "GameEdition": 1,
        "State": 3,
        "StartDate": "2026-11-27T10:30:00.000000Z",
        "FinishDate": "2026-11-27T10:30:00.000000Z",
        "Results": {"items": [{"value": 7}, {"value": 55}]},
        "Proof": {"Commitment": PROOF["commitment"], "Seed": PROOF["seed"], "Algorithm": PROOF["algorithm"]},
    }
    assert found.answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    same = await reader.get(path, **{"If-None-Match": found.answer.headers["etag"]})
    assert same.answer.status == 304
    assert (await reader.get(f"{path}&gameType={game.game_type}")).value == found.value
    assert (await reader.get(f"{path}&gameType={game.game_type + 1}")).code == NOT_FOUND


async def test_the_history_is_read_page_by_page(reader: FeedReader, game: LiveGame) -> None:
    for number in range(7):
        await game.finish(number + 1, [number], AT + timedelta(minutes=number // 2))
    await game.put(8, "cancelled", finished_at=AT)
    seen, cursor = [], ""
    while cursor is not None:
        answer = await reader.get(f"/games/results?gameType={game.game_type}&limit=3&cursor={cursor}")
        assert answer.answer.headers["cache-control"] == "private, no-cache"
        seen += [one["GameEdition"] for one in answer.value["Games"]]
        cursor = answer.value["NextCursor"]
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    window = "from=2026-11-27T10:31:00Z&to=2026-11-27T11:32:00%2B00:00"
    found = (await reader.get(f"/games/results?gameType={game.game_type}&{window}")).value
    assert [one["GameEdition"] for one in found["Games"]] == [7, 6, 5, 4, 3]
    assert (await reader.get("/games/results?gameType=32000")).value == {"Games": [], "NextCursor": None}


@pytest.mark.parametrize(
    ("asked", "language", "name"),
    [("pt-BR", "pt-BR", "Sorteio"), ("es-MX", "es", "Sorteo"), ("en", "en", "Draw"), ("xx", "pt-BR", "Sorteio"),
     ("", "pt-BR", "Sorteio")],
)  # fmt: skip
async def test_names_come_in_the_nearest_language_which_is_named(
    reader: FeedReader, game: LiveGame, asked: str, language: str, name: str
) -> None:
    found = (await reader.get(f"/games/types/translations?language={asked}")).value
    assert found["Language"] == language
    assert {"GameType": game.game_type, "Name": name} in found["GameTypes"]


@pytest.mark.parametrize(
    "path",
    ["/games/info", "/games/info?gameId=", "/games/info?gameId=x&gameType=0", "/games/info?gameId=x&gameType=40000",
     "/games/results", "/games/results?gameType=x", "/games/results?gameType=1&limit=101",
     "/games/results?gameType=1&limit=0", "/games/results?gameType=1&from=yesterday",
     "/games/results?gameType=1&from=2026-11-27T10:30:00", "/games/results?gameType=1&cursor=1",
     "/games/results?gameType=1&cursor=1.g", "/games/list?language=en&language=es",
     "/games/types/translations?language=%00"],
)  # fmt: skip
async def test_a_bad_parameter_is_named(reader: FeedReader, path: str) -> None:
    answer = await reader.get(path)
    assert answer.code == MALFORMED
    assert answer.answer.body["Message"].partition(" ")[0] in PARAMETERS


@pytest.mark.parametrize("path", CALLS)
async def test_without_a_token_or_the_scope_nothing_is_read(reader: FeedReader, path: str) -> None:
    for bearer in (None, "Bearer nonsense", "Basic x"):
        assert (await reader.caller.get(f"{FEED_API}{path}", bearer)).code == NOT_AUTHORISED
    without = await reader.short_token(60, scope="games")
    assert (await reader.caller.get(f"{FEED_API}{path}", f"Bearer {without}")).code == FORBIDDEN
    assert (await reader.get("/games/info?gameId=nothing")).code == NOT_FOUND


async def test_pages_of_the_casinos_origins_alone_read_the_feed(reader: FeedReader) -> None:
    mine = await other_reader(reader, f"mine-{secrets.token_hex(4)}", f"origins: ['{ORIGIN}']")
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    url = mine.url(f"{FEED_API}/games/list")
    bearer = {"Authorization": f"Bearer {mine.token}"}
    async with aiohttp.ClientSession() as http:
        async with http.options(url, headers={"Origin": ORIGIN, **asked}) as answer:
            assert answer.status == 204
            assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"
            allowed = set(answer.headers["Access-Control-Allow-Headers"].split(", "))
            assert allowed >= {"authorization", "x-requested-with", "x-signalr-user-agent", "content-type"}
        async with http.get(url, headers={"Origin": ORIGIN, **bearer}) as answer:
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
            assert answer.headers["Vary"] == "Origin"
        # Its origin is known, and is another casino's.
        async with http.get(url, headers={"Origin": ORIGIN, "Authorization": f"Bearer {reader.token}"}) as answer:
            assert answer.status == 403
        for origin in ("https://evil.example", "null"):
            async with http.options(url, headers={"Origin": origin, **asked}) as answer:
                assert answer.status == 403
            async with http.get(url, headers={"Origin": origin, **bearer}) as answer:
                assert answer.status == 403
                assert "Access-Control-Allow-Origin" not in answer.headers
        # A secret has no place in a page.
        async with http.options(mine.url(f"{FEED_API}/auth/token"), headers={"Origin": ORIGIN, **asked}) as answer:
            assert answer.status == 405
            assert "Access-Control-Allow-Origin" not in answer.headers
