"""What the hubs do with clients that are odd, slow or hostile, over a bare websocket."""

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, MutableMapping
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from starlette.websockets import WebSocket, WebSocketState
from websockets.exceptions import ConnectionClosed

from api.feed import connection
from api.feed.connection import Connection, Shared
from api.feed.hub_messages import PUSH_HEAD
from api.feed.live_state import LiveState
from api.feed.places import CONNECTIONS, Places, Sequences
from api.feed.readers import Reader
from betcore.casino.tokens import CASINO_API, Holder
from betcore.db.live_rounds import LiveRounds
from tests.api.feed_reader import ORIGIN, FeedReader, feed_reader, other_reader
from tests.api.hub_clients import END, HANDSHAKE, HUB, OTHER_HUB, BareClient, bare_client, refusal, subscribe
from tests.api.wire import Api, running_feed
from tests.live_rows import LiveGame
from tests.partner import PATIENCE


@pytest.fixture(scope="module")
async def small(wire_database: str) -> AsyncIterator[Api]:
    """A feed with few places, one of which is not for the first casino."""
    limits = {"feed_connections": "3", "feed_connections_per_casino": "2"}
    async with running_feed(wire_database, **limits) as running:
        yield running


async def _drain(client: BareClient) -> None:
    while True:
        async with asyncio.timeout(PATIENCE):
            await client.socket.recv()


async def _closed(client: BareClient) -> None:
    with pytest.raises(ConnectionClosed):
        await _drain(client)


async def test_negotiate_offers_websockets_alone(reader: FeedReader) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {reader.token}"}) as http:
        for hub in (HUB, OTHER_HUB):
            async with http.post(reader.url(f"{hub}/negotiate?negotiateVersion=1")) as answer:
                assert answer.status == 200
                found = await answer.json()
            # A field ProtocolVersion would make the client of npm fail, useStatefulReconnect lead it to version 2.
            assert found.keys() == {"negotiateVersion", "connectionId", "connectionToken", "availableTransports"}
            assert found["availableTransports"] == [{"transport": "WebSockets", "transferFormats": ["Text"]}]
        async with http.post(reader.url(f"{HUB}/negotiate"), headers={"Authorization": "Bearer x"}) as answer:
            assert answer.status == 401


async def test_who_may_open_a_websocket(reader: FeedReader) -> None:
    port, good = reader.port, reader.token
    other = await other_reader(reader, f"other-{secrets.token_hex(4)}")
    of_api = await reader.short_token(60, audience=CASINO_API.audience)
    without_scope = await reader.short_token(60, scope="games")
    old = await reader.short_token(60, generation=7)
    for token, query, status in (
        (None, "", 401),
        ("nonsense", "", 401),
        (of_api, "", 401),
        (old, "", 401),
        (without_scope, "", 403),
        (good, f"?access_token={other.token}", 401),
        (None, f"?access_token={good}&access_token={other.token}", 401),
    ):
        assert await refusal(port, token, query=query) == status
    for token, query in ((good, ""), (None, f"?access_token={good}"), (good, f"?access_token={good}&id=any")):
        async with bare_client(port, token, query=query):
            pass


async def test_a_page_opens_a_websocket_from_an_origin_of_its_casino_alone(reader: FeedReader) -> None:
    mine = await other_reader(reader, f"mine-{secrets.token_hex(4)}", f"origins: ['{ORIGIN}']")
    for origin in ("https://other.example", "null", f"{ORIGIN}.evil.example", "http://casino.example"):
        assert await refusal(mine.port, mine.token, Origin=origin) == 403
    assert await refusal(reader.port, reader.token, Origin=ORIGIN) == 403
    for origin in (ORIGIN, f"http://127.0.0.1:{mine.port}"):
        async with bare_client(mine.port, mine.token, Origin=origin):
            pass


@pytest.mark.parametrize(
    "handshake", ['{"protocol":"messagepack","version":1}', '{"protocol":"json","version":2}', "{}"]
)
async def test_another_protocol_is_refused_in_words(reader: FeedReader, handshake: str) -> None:
    async with bare_client(reader.port, reader.token, shake=False) as client:
        await client.send(handshake + END)
        assert "error" in await client.message()
        await _closed(client)


async def test_a_client_that_never_shakes_hands_loses_its_place(
    reader: FeedReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_SHAKES_WITHIN", 0.2)
    async with bare_client(reader.port, reader.token, shake=False) as client:
        await _closed(client)


async def test_messages_come_in_any_frames(reader: FeedReader, game: LiveGame) -> None:
    wanted = subscribe(reader.client_id, game.game_type)
    async with bare_client(reader.port, reader.token, shake=False) as client:
        # With the handshake, in halves, and without the last byte, as samples of the reference have it.
        await client.send(HANDSHAKE + wanted[:30])
        assert await client.message() == {}
        await client.send(wanted[30:])
        assert await client.answer() == {"type": 3, "invocationId": "0"}
        await client.send(subscribe(reader.client_id, game.game_type, call="1", type="1").removesuffix(END))
        assert await client.answer() == {"type": 3, "invocationId": "1"}
        await client.send(f'{{"type":6}}{END}{{"type":99}}{END}{{"type":3,"invocationId":"7"}}{END}{END}')
        await client.send(f'{{"type":4,"invocationId":"2","target":"Any","arguments":[]}}{END}')
        assert "streams" in (await client.answer())["error"]


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":6}\x1e',
        "garbage" + END,
        "[1]" + END,
        "[" * 5_000 + END,
        '{"type":1' + END,
        "x" * 16_000 + "x" * 385,
    ],
    ids=["binary", "garbage", "no object", "deep", "cut", "long"],
)
async def test_what_is_no_message_ends_the_connection(reader: FeedReader, frame: str | bytes) -> None:
    async with bare_client(reader.port, reader.token) as client:
        await client.send(frame)
        await _closed(client)
    async with bare_client(reader.port, reader.token):
        pass


async def test_half_a_message_that_never_ends_is_bounded(reader: FeedReader) -> None:
    async with bare_client(reader.port, reader.token) as client:
        for _ in range(3):
            await client.send('{"type":' + "1" * 8_000)
        found = await client.answer()
        assert (found["type"], found["allowReconnect"]) == (7, False)


async def test_a_flood_ends_the_connection(reader: FeedReader) -> None:
    async with bare_client(reader.port, reader.token) as client:
        await client.send(f'{{"type":6}}{END}' * 101)
        assert (await client.answer())["error"] == "too many messages"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        "SubOnWholeGamesInfo",
        ["Other", "{}"],
        ["SubOnWholeGamesInfo", "no json"],
        ["SubOnWholeGamesInfo", "[]"],
        ["SubOnWholeGamesInfo", 7],
        ["SubOnWholeGamesInfo", {"GameType": True, "PartnerClientId": 1}],
        ["SubOnWholeGamesInfo", {"GameType": 1}],
        ["SubOnWholeGamesInfo", {"GameType": 1.5, "PartnerClientId": 1}],
        ["SubOnWholeGamesInfo", {"GameType": 1, "PartnerClientId": 1, "Count": 6}],
    ],
)
async def test_a_call_that_cannot_be_read_is_refused_and_the_connection_stays(
    reader: FeedReader, arguments: object
) -> None:
    async with bare_client(reader.port, reader.token) as client:
        for target in ("Subscribe", "unsubscribe"):
            call = {"type": 1, "target": target, "arguments": arguments, "invocationId": "9"}
            await client.send(json.dumps(call) + END)
            answer = await client.answer()
            assert (answer["invocationId"], bool(answer["error"])) == ("9", True)


async def test_a_connection_has_few_subscriptions(
    reader: FeedReader, game: LiveGame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_SUBSCRIPTIONS", 0)
    async with bare_client(reader.port, reader.token) as client:
        await client.send(subscribe(reader.client_id, game.game_type))
        assert "0 subscriptions at most" in (await client.answer())["error"]


async def test_frames_come_at_the_clients_own_phase_and_are_numbered_on_after_a_reconnect(
    reader: FeedReader, game: LiveGame
) -> None:
    token = await reader.short_token(600)
    async with bare_client(reader.port, token) as client:
        await client.send(subscribe(reader.client_id, game.game_type, count=2))
        numbers = [(await client.pushed())["sId"] for _ in range(3)]
        assert numbers == [0, 1, 2]
        await client.send(subscribe(reader.client_id, game.game_type, call="u", target="Unsubscribe"))
        assert (await client.answer())["invocationId"] == "u"
    async with bare_client(reader.port, token) as client:
        await client.send(subscribe(reader.client_id, game.game_type))
        assert (await client.pushed())["sId"] >= 3
    async with bare_client(reader.port, await reader.short_token(600)) as client:
        await client.send(subscribe(reader.client_id, game.game_type))
        assert (await client.pushed())["sId"] == 0


async def test_a_slow_client_gets_the_newest_state_and_its_ticks_count(reader: FeedReader, game: LiveGame) -> None:
    state = LiveState(LiveRounds(reader.caller.casino.database))
    await state.read()
    sent: asyncio.Queue[str] = asyncio.Queue()
    takes, calls = asyncio.Event(), asyncio.Queue[str]()

    async def receive() -> dict[str, object]:
        return {"type": "websocket.receive", "text": await calls.get()}

    async def send(message: MutableMapping[str, object]) -> None:
        if PUSH_HEAD in str(message["text"]):
            await takes.wait()
        sent.put_nowait(str(message["text"]))

    socket = WebSocket({"type": "websocket", "headers": []}, receive, send)
    socket.client_state = socket.application_state = WebSocketState.CONNECTED
    account = await reader.caller.casino.partners.account(reader.client_id)
    holder = Holder(reader.client_id, 0, ("feed",), "jti", datetime.now(UTC) + timedelta(hours=1))
    assert account is not None
    shared = Shared(state, None, Places(1, 1), Sequences())  # type: ignore[arg-type]  (no ping is due)
    serving = asyncio.create_task(Connection(socket, Reader(account.casino, holder, None), 0.5, shared).serve())
    calls.put_nowait(HANDSHAKE + subscribe(reader.client_id, game.game_type))
    await asyncio.sleep(1.6)  # the first frame is not taken for some ticks
    await game.put(1, "active", "action", started_at=datetime.now(UTC))
    await state.read()
    takes.set()
    frames = []
    while len(frames) < 2:
        text = await asyncio.wait_for(sent.get(), PATIENCE)
        if text.startswith(PUSH_HEAD):
            frames.append(json.loads(text[:-1])["arguments"][0])
    serving.cancel()
    await asyncio.wait([serving])
    assert [one["wgi"][0]["ps"] for one in frames] == [1, 2]
    assert frames[0]["sId"] == 0
    assert frames[1]["sId"] >= 2


async def test_a_client_that_takes_nothing_is_dropped(
    reader: FeedReader, game: LiveGame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "EVERY", 0.001)
    monkeypatch.setattr(connection, "_TAKES_WITHIN", 0.3)
    dropped = _ended("stuck")
    # Megabytes fit between the two: frames of many results fill them sooner.
    await game.finish(2, list(range(2000)), datetime.now(UTC))
    over = socket.socket()
    over.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    over.connect(("127.0.0.1", reader.port))
    async with bare_client(reader.port, await reader.short_token(600), over=over) as client:
        await client.send(subscribe(reader.client_id, game.game_type, count=5))
        await client.pushed()
        client.socket.transport.pause_reading()
        async with asyncio.timeout(PATIENCE):
            while _ended("stuck") == dropped:
                await asyncio.sleep(0.05)
        client.socket.transport.abort()


def _ended(reason: str) -> float:
    return connection.ENDED.labels(reason)._value.get()  # type: ignore[no-any-return]


async def test_pings_keep_an_idle_client_and_a_withdrawn_token_ends_it(
    reader: FeedReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_PINGS_EVERY", 0.5)
    other = await other_reader(reader, f"idle-{secrets.token_hex(4)}")
    async with bare_client(other.port, other.token) as client:
        async with asyncio.timeout(PATIENCE):
            assert await client.socket.recv() == f'{{"type":6}}{END}'
        await other.caller.desk.change("casino", other.caller.name, profile="{confirmation: reply, scopes: [games]}")
        found = await client.answer()
        assert (found["type"], found["allowReconnect"]) == (7, True)
    assert await refusal(other.port, other.token) == 403


async def test_places_are_bounded_and_given_back(small: Api, reader: FeedReader) -> None:
    mine = await feed_reader(small, reader.caller.casino, "c", reader.client_id)
    other = await other_reader(mine, f"place-{secrets.token_hex(4)}")
    async with bare_client(small.port, mine.token), bare_client(small.port, mine.token):
        assert await refusal(small.port, mine.token) == 503
        async with bare_client(small.port, other.token):
            assert await refusal(small.port, other.token) == 503
    async with bare_client(small.port, mine.token):
        pass


async def test_connects_of_one_address_are_bounded(wire_database: str, reader: FeedReader) -> None:
    async with running_feed(wire_database, feed_calls_per_second="5") as bounded:
        found = await asyncio.gather(*(refusal(bounded.port, "nonsense") for _ in range(100)))
    assert found.count(429) >= 70


async def test_a_thousand_connects_in_a_burst_leave_those_who_are_in_their_frames(
    reader: FeedReader, game: LiveGame
) -> None:
    """They come from many addresses with a token that holds, and vanish: no limit refuses them."""
    door = asyncio.Semaphore(100)  # the files that a process may have open are few

    async def knock(number: int) -> None:
        source = f"127.0.0.{2 + number % 200}", 0
        async with door:
            over = socket.create_connection(("127.0.0.1", reader.port), source_address=source)
            async with bare_client(reader.port, reader.token, over=over) as other:
                other.socket.transport.abort()

    async with bare_client(reader.port, reader.token) as client:
        await client.send(subscribe(reader.client_id, game.game_type))
        first = await client.pushed()
        await asyncio.gather(*map(knock, range(1000)))
        await game.put(1, "active", "action", started_at=datetime.now(UTC))
        while (frame := await client.pushed())["wgi"][0]["ps"] != 2:
            pass
        assert frame["sId"] > first["sId"]
        async with asyncio.timeout(PATIENCE):
            while CONNECTIONS._value.get() > 1:
                await asyncio.sleep(0.05)


async def test_a_client_that_vanishes_leaves_nothing(reader: FeedReader, game: LiveGame) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(20):
        async with bare_client(reader.port, reader.token) as client:
            await client.send(subscribe(reader.client_id, game.game_type))
            client.socket.transport.abort()
    async with asyncio.timeout(PATIENCE):
        while len(asyncio.all_tasks()) > before + 2:
            await asyncio.sleep(0.05)
