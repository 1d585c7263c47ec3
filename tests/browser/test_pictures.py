"""Makes the pictures of docs/pictures/: BETCORE_PICTURES=1 make test ARGS=tests/browser/test_pictures.py."""

import os
from urllib.parse import quote

import pytest
from playwright.async_api import expect

from devkit.cli.sandbox import PLAYER
from devkit.sandbox.provider.games import GAMES
from tests.browser.conftest import Visit
from tests.browser.pictures import keep
from tests.partner import Stack, TestPartner, eventually

_WIDE, _NARROW, _TALL = {"width": 1120, "height": 700}, {"width": 390, "height": 780}, {"width": 1500, "height": 1010}


@pytest.mark.skipif("BETCORE_PICTURES" not in os.environ, reason="makes the pictures of docs/pictures/")
@pytest.mark.parametrize(
    ("name", "size", "scheme"), [("wide", _WIDE, "dark"), ("narrow", _NARROW, "light")], ids=["wide", "narrow"]
)
async def test_pictures(stack: Stack, visit: Visit, name: str, size: dict[str, int], scheme: str) -> None:
    """Show what ``make up`` shows: the sandbox casino's page with the sandbox provider's games."""
    page = await visit("about:blank", viewport=size, color_scheme=scheme)
    await page.goto(f"{stack.addresses['sandbox_casino']}/casino/{stack.addresses['partner_client_id']}")
    await page.get_by_label("Player").fill(PLAYER)
    await page.get_by_role("button", name="Log in").click()
    frame = page.frame_locator("#games iframe")
    await expect(frame.locator(".purse")).to_be_visible()
    await expect(frame.locator(".card")).to_have_count(len(GAMES))
    # A picture that is not in sight is not loaded yet.
    await expect(frame.locator(".card img.loaded").nth(4)).to_be_visible()
    await expect(frame.get_by_role("alert")).to_be_empty()
    keep(await page.screenshot(), "lobby", name)
    await frame.get_by_role("button", name=f"Play {GAMES[0].name},").click()
    game = frame.frame_locator("iframe.game")
    await game.get_by_role("button", name="Roll").click()
    await expect(game.locator("#past li")).to_have_count(1)
    keep(await page.screenshot(), "game", name)


@pytest.mark.skipif("BETCORE_PICTURES" not in os.environ, reason="makes the pictures of docs/pictures/")
async def test_picture_of_a_bet(player: TestPartner, visit: Visit) -> None:
    """Show a bet that its casino made wait for its win, as operators see it in the Temporal UI."""
    session = await player.seat("bella")
    bet = player.new_bet()
    await player.pay_in(bet, session=session)
    await player.faults({"kind": "status", "path": "/payments/make", "times": 3})
    await player.pay_out(bet, "25.00", session=session)
    await eventually(lambda: _is_settled(player, bet))
    workflow = quote(f"bet:{player.counterparty_id}:{bet}", safe="")
    url = f"{player.stack.addresses['temporal_ui']}/namespaces/default/workflows/{workflow}"
    page = await visit(url, viewport=_TALL)
    await expect(page.get_by_text("settled").first).to_be_visible()
    await page.wait_for_load_state("networkidle")
    keep(await page.screenshot(clip={"x": 258, "y": 60, "width": 1242, "height": 950}), "bet", "wide")


async def _is_settled(player: TestPartner, bet: str) -> bool:
    return bool((await player.row(bet)).state == "settled")
