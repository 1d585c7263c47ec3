"""The sandbox provider's own API, spoken to over HTTP."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest

from betcore.provider import xsign
from devkit.sandbox.provider.server import create_app
from tests.serving import serving

COUNTERPARTY, SECRET = "11111111-2222-4333-8444-555555555555", "example-shared-secret-not-real"
LAUNCH = {
    "userId": "u", "sessionId": "s-1", "currency": "EUR", "language": "en", "minBet": 1, "maxBet": 500,
    "gameMode": "real",
}  # fmt: skip


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with serving(create_app()) as url, aiohttp.ClientSession(url) as session:
        known = {"counterparty_id": COUNTERPARTY, "secret": SECRET}
        async with session.post("/_counterparty", json=known) as answer:
            assert answer.status == 200
        yield session


def signed(body: bytes = b"", secret: str = SECRET) -> dict[str, str]:
    return xsign.headers(secret, COUNTERPARTY, body)


async def test_games_are_a_bare_array(http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/games", headers=signed()) as answer:
        assert answer.content_type == "application/json"
        first, *others = await answer.json()
    assert (first["gameId"], first["name"], first["maxOdd"]) == ("dice-1", "Sandbox Dice", 1.96)
    assert len({one["gameCategory"] for one in others}) > 2
    for game in (first, *others):
        async with http.get(game["lobbyImgUrl"]) as picture:
            assert (picture.status, picture.content_type) == (200, "image/svg+xml")
            assert (await picture.text()).startswith("<svg ")


async def test_each_game_has_a_page_in_its_own_colours(http: aiohttp.ClientSession) -> None:
    styles = set()
    for game in ("dice-1", "dice-neon"):
        async with http.get(f"/frame/{game}") as answer:
            page = await answer.text()
        [style] = re.findall('href="(/game/[^"]*/colours.css)"', page)
        async with http.get(style) as answer:
            styles.add(await answer.text())
    assert "<title>Neon Dice</title>" in page
    assert len(styles) == 2


async def test_a_list_may_be_replaced_for_one_counterparty(http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/games", headers=signed()) as answer:
        etag = {"If-None-Match": answer.headers["ETag"]}
    async with http.get("/v1/games", headers=signed() | etag) as answer:
        assert answer.status == 304
    ours = {"counterparty_id": COUNTERPARTY}
    async with http.post("/_games", params=ours | {"status": "500"}, data=b"oh") as answer:
        assert answer.status == 200
    async with http.get("/v1/games", headers=signed() | etag) as answer:
        assert (answer.status, await answer.read()) == (500, b"oh")
    async with http.post("/_games", params=ours):
        pass
    async with http.get("/v1/games", headers=signed() | etag) as answer:
        assert answer.status == 304


async def test_launch_gives_a_frame_that_opens(http: aiohttp.ClientSession) -> None:
    body = xsign.compact(LAUNCH)
    async with http.post("/v1/games/dice-1/launch", data=body, headers=signed(body)) as answer:
        frame = (await answer.json())["frameUri"]
    assert "session=s-1" in frame
    async with aiohttp.ClientSession() as browser, browser.get(frame) as page:
        assert (page.status, page.content_type) == (200, "text/html")


@pytest.mark.parametrize(
    ("game", "change", "status"),
    [
        ("chess", {}, 404),
        ("dice-1", {"minBet": None}, 400),
        ("dice-1", {"gameMode": "practice"}, 400),
        ("dice-1", {"maxBet": "500"}, 400),
    ],
)
async def test_launch_refuses(http: aiohttp.ClientSession, game: str, change: dict[str, str | None], status: int):
    body = xsign.compact({name: value for name, value in (LAUNCH | change).items() if value is not None})
    async with http.post(f"/v1/games/{game}/launch", data=body, headers=signed(body)) as answer:
        assert answer.status == status


async def test_an_unsigned_a_wrongly_signed_and_a_repeated_request_are_refused(http: aiohttp.ClientSession) -> None:
    good = signed()
    stale = good | {xsign.TIMESTAMP: "1750000000000"}
    stale[xsign.SIGNATURE] = xsign.sign(SECRET, COUNTERPARTY, stale[xsign.TIMESTAMP], stale[xsign.REQUEST_ID])
    for headers, status in (({}, 401), (signed(secret="another"), 401), (stale, 401), (good, 200), (good, 401)):
        async with http.get("/v1/games", headers=headers) as answer:
            assert answer.status == status


async def test_the_process_serves_and_stops_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "devkit.sandbox.provider",
        env=os.environ | {"BETCORE_SANDBOX_PROVIDER_PORT": "0"}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        async with asyncio.timeout(20):
            found = re.search(rb"http://\S+", await process.stderr.readline())
            assert found is not None
            async with aiohttp.ClientSession() as session, session.get(found[0].decode() + "/health") as answer:
                assert answer.status == 200
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_page_of_an_unknown_session_plays_nothing(http: aiohttp.ClientSession) -> None:
    async with http.post("/play/s-none/bets", json={"stake": "1.00"}) as answer:
        assert (answer.status, await answer.json()) == (400, {"outcome": "unknown_session"})


async def test_a_demo_has_money_of_its_own(http: aiohttp.ClientSession) -> None:
    body = xsign.compact(LAUNCH | {"gameMode": "demo", "sessionId": "s-demo"})
    async with http.post("/v1/games/dice-1/launch", data=body, headers=signed(body)) as answer:
        assert answer.status == 200
    async with http.post("/play/s-demo/bets", json={"stake": "10.00"}) as answer:
        bet = await answer.json()
    assert bet["balance"] == ("1009.60" if bet["outcome"] == "won" else "990.00")
    for stake in ("2000.00", "-1", "1e3", 5, None):
        async with http.post("/play/s-demo/bets", json={"stake": stake}) as answer:
            assert (await answer.json())["outcome"] == ("refused" if stake == "2000.00" else "malformed")
