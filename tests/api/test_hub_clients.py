"""The hubs as real clients use them: that of npm, in Node and as in a browser, and ``pysignalr`` in Python."""

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Any

import pytest
from pysignalr.client import SignalRClient
from pysignalr.exceptions import AuthorizationError

from tests.api.feed_reader import FeedReader, other_reader
from tests.api.hub_clients import HUB, OTHER_HUB, npm_client
from tests.live_rows import LiveGame
from tests.partner import PATIENCE


@pytest.mark.parametrize("way", ["node", "browser", "skip", "other hub"])
async def test_the_npm_client_gets_frames(reader: FeedReader, game: LiveGame, way: str) -> None:
    hub = OTHER_HUB if way == "other hub" else HUB
    options = {"browser": way == "browser", "skipNegotiation": way == "skip"}
    async with npm_client(reader.url(hub), reader.token, **options) as client:
        await client.until("started")
        assert (await client.subscribe(reader.client_id, game.game_type))["event"] == "returned"
        first, second = await client.pushed(), await client.pushed()
        assert (first["sId"], second["sId"]) == (0, 1)
        assert [(one["i"], one["ge"], one["s"], one["ps"]) for one in first["wgi"]] == [
            (f"round-{game.game_type}-1", 1, 2, 1)
        ]
        await game.put(1, "active", "action", started_at=datetime.now(UTC))
        while (await client.pushed())["wgi"][0]["ps"] != 2:
            pass


async def test_what_the_hub_lacks_is_refused_and_the_connection_stays(reader: FeedReader, game: LiveGame) -> None:
    async with npm_client(reader.url(HUB), reader.token) as client:
        await client.until("started")
        assert "no such method" in (await client.call("Shout", "a"))["error"]
        assert "access token" in (await client.subscribe(reader.client_id + 1, game.game_type))["error"]
        assert "no such game" in (await client.subscribe(reader.client_id, 32_000))["error"]
        # A call that awaits no answer gets none.
        assert (await client.subscribe(reader.client_id, game.game_type, way="send"))["event"] == "returned"
        assert (await client.pushed())["sId"] == 0


async def test_a_token_that_does_not_hold_is_refused(reader: FeedReader, game: LiveGame) -> None:
    other = await other_reader(reader, f"other-{secrets.token_hex(4)}")
    for skip in (False, True):
        async with npm_client(reader.url(HUB), "nonsense", skipNegotiation=skip) as client:
            assert (await client.until("failed", "started"))["event"] == "failed"
    # It opens the hub for its own casino alone.
    async with npm_client(reader.url(HUB), other.token) as client:
        await client.until("started")
        assert "access token" in (await client.subscribe(reader.client_id, game.game_type))["error"]
        assert (await client.subscribe(other.client_id, game.game_type))["event"] == "returned"


async def test_a_client_comes_back_with_a_new_token_when_its_own_expires(reader: FeedReader, game: LiveGame) -> None:
    short = await reader.short_token(4)
    # One to negotiate with, and one for the websocket.
    async with npm_client(reader.url(HUB), short, short, reader.token, reconnect=[0, 100, 1000]) as client:
        await client.until("started")
        await client.subscribe(reader.client_id, game.game_type)
        await client.pushed()
        assert "expired" in (await client.until("reconnecting", "closed"))["error"]
        assert (await client.until("reconnected", "closed"))["event"] == "reconnected"
        # Subscriptions are gone.
        await client.subscribe(reader.client_id, game.game_type)
        await client.pushed()


async def test_a_client_that_does_not_come_back_by_itself_learns_why(reader: FeedReader) -> None:
    async with npm_client(reader.url(HUB), await reader.short_token(3)) as client:
        await client.until("started")
        assert "expired" in (await client.until("closed"))["error"]


async def test_a_client_in_python_gets_frames(reader: FeedReader, game: LiveGame) -> None:
    found: asyncio.Queue[Any] = asyncio.Queue()
    client = SignalRClient(
        reader.url(HUB).replace("http://", "ws://"), headers={"Authorization": f"Bearer {reader.token}"}
    )

    async def opened() -> None:
        about = f'{{"GameType":"{game.game_type}","PartnerClientId":{reader.client_id},"Count":1}}'
        await client.send("Subscribe", ["SubOnWholeGamesInfo", about])  # type: ignore[list-item]

    async def keep(arguments: list[Any]) -> None:
        found.put_nowait(arguments[0])

    client.on_open(opened)
    client.on("SubOnWholeGamesInfo", keep)
    running = asyncio.create_task(client.run())
    try:
        async with asyncio.timeout(PATIENCE):
            first, second = await found.get(), await found.get()
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert (first["sId"], second["sId"]) == (0, 1)
    assert first["wgi"][0]["t"] == game.game_type


async def test_a_client_in_python_with_a_wrong_token_is_refused(reader: FeedReader) -> None:
    client = SignalRClient(reader.url(HUB), headers={"Authorization": "Bearer nonsense"})
    with pytest.raises(AuthorizationError):
        await client.run()
