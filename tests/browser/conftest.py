"""One browser for all of these tests, and a casino whose games are the sandbox provider's."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from betcore.provider import xsign
from devkit.sandbox.provider import rounds
from tests.partner import PATIENCE, Stack, TestPartner

_NONE = "no Chromium at {}: `make browser-setup` installs Debian's (as root), BETCORE_CHROMIUM names another one"
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

Visit = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium. A machine without it skips these tests; CI fails."""
    path = os.environ.get("BETCORE_CHROMIUM", "/usr/bin/chromium")
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


@pytest.fixture(scope="session")
async def player(stack: Stack) -> TestPartner:
    """A player with 1,000 EUR, and a provider that the sandbox provider's server plays for."""
    host = stack.addresses["sandbox_provider"].partition("://")[2]
    origins = f"origins: ['{stack.addresses['sandbox_casino']}']"
    partner = await stack.partner(f"frame_hosts: ['{host}']", origins, min_bet="0.10", max_bet="500")
    await partner.onboarding.change("provider", partner.provider, address=stack.addresses["sandbox_provider"])
    known = {"counterparty_id": partner.counterparty_id, "secret": partner.secret}
    async with stack.http.post(stack.addresses["sandbox_provider"] + "/_counterparty", json=known) as answer:
        assert answer.status == 200
    return partner


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
