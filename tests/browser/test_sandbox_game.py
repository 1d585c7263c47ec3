"""The game's page of the sandbox provider, played by hand: its server sends the signed calls."""

import re
from decimal import Decimal

from playwright.async_api import FrameLocator, Locator, Page, expect

from tests.browser.conftest import Visit, launch
from tests.partner import TestPartner

_END = re.compile("won|lost|returned")


async def roll_in(game: Page | FrameLocator) -> str:
    """Press the button, wait for the end of the bet, and return the outcome."""
    await game.get_by_role("button", name="Roll").click()
    body = game.locator("body")
    await expect(body).to_have_attribute("data-outcome", _END)
    return await body.get_attribute("data-outcome") or ""


async def amount(shown: Locator) -> Decimal:
    """Return the amount that is shown in euros."""
    return Decimal((await shown.inner_text()).lstrip("€").replace(",", ""))


async def test_a_bet_of_the_page_moves_the_casinos_money(player: TestPartner, visit: Visit) -> None:
    session = await player.seat("bruno")
    page = await visit(await launch(player, session))
    balance = page.locator("#balance")
    await expect(balance).to_have_text("€1,000.00")
    await page.get_by_role("radio", name="€5.00").check()
    moves = {"won": Decimal("4.80"), "lost": Decimal("-5.00"), "returned": Decimal(0)}
    expected = Decimal("1000.00")
    for _ in range(3):
        expected += moves[await roll_in(page)]
        assert await amount(balance) == expected
    known = await player.at_casino("GET", f"/_players/{player.partner_client_id}/bruno")
    assert Decimal(known["balance"]) == expected
    stakes = [one for one in await player.entries() if one["partner_user_id"] == "bruno"]
    assert [one["amount"] for one in stakes if one["transaction_type"] == -1] == ["5.00"] * 3


async def test_a_stake_without_the_money_for_it_is_refused_in_words(player: TestPartner, visit: Visit) -> None:
    session = await player.seat("carla", balance="1.00")
    page = await visit(await launch(player, session))
    await page.get_by_role("radio", name="€10.00").check()
    await page.get_by_role("button", name="Roll").click()
    await expect(page.get_by_role("status").last).to_have_text("Your balance is too low for this stake.")
    await expect(page.locator("#balance")).to_have_text("€1.00")


async def test_demo_plays_without_a_call(player: TestPartner, visit: Visit) -> None:
    # The service knows no such session: a call would be refused.
    page = await visit(await launch(player, "no-session", mode="demo", language="pt-BR"))
    await expect(page.get_by_text("Saldo de demonstração")).to_be_visible()
    await page.get_by_role("button", name="Rolar").click()
    await expect(page.locator("body")).to_have_attribute("data-outcome", re.compile("won|lost"))
    await expect(page.locator("#balance")).not_to_have_text(re.compile("1.000,00"))
