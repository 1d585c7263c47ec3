"""One browser for all of these tests, and a casino whose games are the sandbox provider's."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright, expect
from sqlalchemy import text

from betcore.provider import xsign
from devkit.sandbox.provider import rounds
from tests.browser.casino_page import MORE, CasinoPage, name_of
from tests.partner import PATIENCE, Stack, TestPartner
from tests.serving import serving

# The one without windows: it takes a third of the other's CPU for the same pages.
_CHROMIUM = "/usr/bin/chromium-headless-shell"
_NONE = "no Chromium at {}: `make browser-setup` installs Debian's (as root), BETCORE_CHROMIUM names another one"
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

Visit = Callable[..., Awaitable[Page]]
Casino = Callable[..., Awaitable[CasinoPage]]
_players = count(1)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium. A machine without it skips these tests; CI fails."""
    path = os.environ.get("BETCORE_CHROMIUM", _CHROMIUM)
    if shutil.which(path) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(_NONE.format(path))
    expect.set_options(timeout=PATIENCE * 500)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield chromium
        await chromium.close()


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Open an address in a browser of its own; the test fails if a script of a page does."""
    contexts, failures = [], []

    async def go(url: str, **options: Any) -> Page:
        context = await browser.new_context(**{"reduced_motion": "reduce", "locale": "en-GB"} | options)
        context.set_default_timeout(PATIENCE * 500)
        contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        await page.goto(url)
        return page

    yield go
    for context in contexts:
        await context.close()
    assert failures == []


class OwnSite:
    """A site of the casino's own making: ``pages`` has its pages, by name."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.origin = ""

    async def show(self, request: web.Request) -> web.Response:
        return web.Response(text=self.pages[request.match_info["name"]], content_type="text/html")


@pytest.fixture(scope="session")
async def site() -> AsyncIterator[OwnSite]:
    """Serve such a site at an origin of its own."""
    made, app = OwnSite(), web.Application()
    app.router.add_get("/{name}", made.show)
    async with serving(app) as made.origin:
        yield made


@pytest.fixture(scope="session")
async def player(stack: Stack, site: OwnSite) -> TestPartner:
    """A player with 1,000 EUR, and a provider that the sandbox provider's server plays for."""
    host = stack.addresses["sandbox_provider"].partition("://")[2]
    origins = f"origins: ['{stack.addresses['sandbox_casino']}', '{site.origin}']"
    partner = await stack.partner(f"frame_hosts: ['{host}']", origins, min_bet="0.10", max_bet="500")
    await partner.onboarding.change("provider", partner.provider, address=stack.addresses["sandbox_provider"])
    known = {"counterparty_id": partner.counterparty_id, "secret": partner.secret}
    async with stack.http.post(stack.addresses["sandbox_provider"] + "/_counterparty", json=known) as answer:
        assert answer.status == 200
    return partner


@pytest.fixture(scope="session")
async def games(player: TestPartner) -> int:
    """Add a game that runs, and more that are listed; return the number of the first."""
    shown = await player.catalogue.add_game(player.provider, rounds.GAME_ID, name_of(player), "EUR", "0.10", "500")
    for number in range(MORE):
        await player.catalogue.add_game(player.provider, f"more-{number}", f"River {number} of {player.number}")
    picture = f"{player.stack.addresses['sandbox_provider']}/pictures/{rounds.GAME_ID}.svg"
    query = """
        UPDATE game SET category = CASE WHEN provider_game_id = :id THEN 'casual' ELSE 'lottery' END,
                        image_url = CASE WHEN provider_game_id = :id THEN :picture END
        WHERE provider_game_id <> 'dice' AND provider_id = (SELECT provider_id FROM provider WHERE name = :provider)
    """
    async with player.stack.engine.begin() as connection:
        given = {"id": rounds.GAME_ID, "picture": picture, "provider": player.provider}
        await connection.execute(text(query), given)
    return int(str(shown["id"]))


@pytest.fixture
async def casino(player: TestPartner, games: int, visit: Visit) -> Casino:
    """Open the sandbox casino's page for a new player with 1,000 EUR; ``log_in`` logs the player in."""

    async def open_page(query: str = "", *, name: str = "", log_in: bool = True, **options: object) -> CasinoPage:
        if not name:
            name = f"guest-{next(_players)}"
            await player.seat(name)
        opened = CasinoPage(player, await visit("about:blank", **options), name)
        base = player.stack.addresses["sandbox_casino"]
        await opened.page.goto(f"{base}/casino/{player.partner_client_id}?{query}")
        if log_in:
            await opened.log_in()
            await expect(opened.page.locator("#balance")).to_have_text("1000.00 EUR")
        return opened

    return open_page


async def launch(partner: TestPartner, session_id: str, mode: str = "real", language: str = "en") -> str:
    """Launch the sandbox provider's game as the service does, and return the address of its page."""
    fields = {
        "userId": "somebody", "sessionId": session_id, "currency": "EUR", "language": language,
        "minBet": 1, "maxBet": 500, "gameMode": mode,
    }  # fmt: skip
    body = xsign.compact(fields)
    head = xsign.headers(partner.secret, partner.counterparty_id, body)
    url = f"{partner.stack.addresses['sandbox_provider']}/v1/games/{rounds.GAME_ID}/launch"
    async with partner.stack.http.post(url, data=body, headers=head) as answer:
        address: str = (await answer.json())["frameUri"]
    return address
