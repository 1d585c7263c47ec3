"""The page ``/live`` in a browser: rounds run, results are checked, a lost feed is said and comes back by itself."""

import os
import re
import signal
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.async_api import Page, expect

from betcore.db.jackpot_pools import JackpotPools
from betcore.domain import live_draw
from betcore.domain.jackpots import NewPool
from betcore.domain.money import Money
from tests.browser.conftest import Visit
from tests.live_rows import LiveGame, add_live_game
from tests.partner import TestPartner, eventually

SEED = "5eed" * 16
ALGORITHM = "draw-v1:5/60"
SECONDS = re.compile(r"^[1-9][0-9]? s$")


@pytest.fixture
async def secret(player: TestPartner) -> str:
    """Return the casino's secret."""
    return await player.onboarding.secret("casino", player.casino)


@pytest.fixture
async def partner(player: TestPartner, secret: str) -> TestPartner:
    """A casino whose own server knows its secret."""
    about = {"partner_client_id": player.partner_client_id, "secret": secret}
    await player.at_casino("POST", "/_credentials", json=about)
    return player


@pytest.fixture
async def game(partner: TestPartner, secret: str) -> LiveGame:
    """A live game with a finished round, and one in which bets are taken; the feed shows it."""
    row = (await partner.sql("SELECT provider_id FROM provider WHERE name = :name", name=partner.provider))[0]
    added = await add_live_game(partner.stack.engine, row.provider_id)
    await _finish(added, 1)
    await _bet(added, 2)
    feed = f"{partner.stack.addresses['feed']}/partnersmediator-service/api/v2"
    account = {"PartnerClientId": partner.partner_client_id, "Secret": secret}
    async with partner.stack.http.post(f"{feed}/auth/token", json=account) as answer:
        headers = {"Authorization": f"Bearer {(await answer.json())['Value']['AccessToken']}"}

    async def is_listed() -> bool:
        async with partner.stack.http.get(f"{feed}/games/list", headers=headers) as answer:
            return added.game_type in [one["GameType"] for one in (await answer.json())["Value"] or ()]

    # A page asks for the games when it opens, and then each half minute.
    await eventually(is_listed)
    return added


async def _bet(game: LiveGame, edition: int) -> None:
    closes = datetime.now(UTC) + timedelta(seconds=90)
    await game.put(edition, "active", "betting", started_at=datetime.now(UTC), betting_closes_at=closes)


async def _finish(game: LiveGame, edition: int, wrong: bool = False) -> list[int]:
    drawn = list(live_draw.draw(SEED, f"round-{game.game_type}-{edition}", 5, 60))
    shown = drawn[::-1] if wrong else drawn
    proof = {"commitment": live_draw.commitment(SEED), "seed": SEED, "algorithm": ALGORITHM}
    await game.finish(edition, shown, datetime.now(UTC), **proof)
    return shown


async def _open(visit: Visit, partner: TestPartner, **options: object) -> Page:
    page: Page = await visit("about:blank", **options)
    casino = partner.stack.addresses["sandbox_casino"]
    await page.goto(f"{casino}/casino/{partner.partner_client_id}/live")
    return page


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_shows_games_results_and_jackpots_within_its_policy(
    visit: Visit, partner: TestPartner, game: LiveGame, width: int, scheme: str
) -> None:
    pool = NewPool(partner.casino, f"Pool {width} {scheme}", partner.provider, None, "lottery", Decimal("0.01"),
                   Money.parse("100.00", "EUR"))  # fmt: skip
    await JackpotPools(partner.stack.database).add(pool)
    complaints: list[str] = []
    page = await visit("about:blank", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.on("console", lambda one: complaints.append(one.text))
    casino = partner.stack.addresses["sandbox_casino"]
    await page.goto(f"{casino}/casino/{partner.partner_client_id}/live")
    card = page.locator(f'[data-game-type="{game.game_type}"]')
    await expect(page.locator("#connection")).to_have_text("Live")
    await expect(card.locator(".state")).to_have_text("Place your bets")
    await expect(card.locator(".countdown")).to_have_text(SECONDS)
    await expect(page.locator(".jackpot").filter(has_text=pool.name)).to_contain_text("100.00 EUR")
    # The token is not left in the address.
    assert page.url == f"{partner.stack.addresses['feed']}/live"

    await game.put(2, "active", "action", started_at=datetime.now(UTC))
    await expect(card.locator(".state")).to_have_text("No more bets")
    drawn = await _finish(game, 2)
    await expect(card.locator(".last .ball")).to_have_text([str(one) for one in drawn])
    await card.get_by_role("button", name="Check round 2").click()
    await expect(card.locator(".verdict").first).to_contain_text("the results follow from it")
    await expect(card.locator(".verdict").first).to_have_attribute("data-holds", "true")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []


async def test_the_page_of_a_new_stack_shows_a_draw_and_a_jackpot(visit: Visit, partner: TestPartner) -> None:
    addresses = partner.stack.addresses
    page = await visit("about:blank")
    await page.goto(f"{addresses['sandbox_casino']}/casino/{addresses['partner_client_id']}/live")
    await expect(page.locator(".jackpot").filter(has_text="Grand")).to_contain_text("EUR")
    await expect(page.locator('[data-game-type="1"] h2')).to_have_text("Draw")


async def test_a_result_that_does_not_follow_from_its_seed_is_shown_as_such(
    visit: Visit, partner: TestPartner, game: LiveGame
) -> None:
    await _finish(game, 2, wrong=True)
    page = await _open(visit, partner)
    card = page.locator(f'[data-game-type="{game.game_type}"]')
    await card.get_by_role("button", name="Check round 2").click()
    await expect(card.locator(".verdict").first).to_have_attribute("data-holds", "false")
    await card.get_by_role("button", name="Check round 1").click()
    await expect(card.locator(".verdict").last).to_have_attribute("data-holds", "true")


async def test_a_lost_feed_is_said_and_the_page_comes_back_by_itself(
    visit: Visit, partner: TestPartner, game: LiveGame
) -> None:
    page = await _open(visit, partner)
    card = page.locator(f'[data-game-type="{game.game_type}"]')
    await expect(page.locator("#connection")).to_have_text("Live")
    killed = partner.stack.pid("feed")
    os.kill(killed, signal.SIGKILL)
    await expect(page.locator("#connection")).to_have_text("Connection lost, reconnecting")
    await _finish(game, 2)
    await _bet(game, 3)

    async def is_back() -> bool:
        return partner.stack.pid("feed") != killed

    await eventually(is_back)
    await expect(page.locator("#connection")).to_have_text("Live")
    await expect(card.locator(".edition").first).to_have_text("Round 3")
    await expect(card.locator(".history li")).to_have_count(2)


async def test_a_page_without_access_says_so_and_leads_back(visit: Visit, partner: TestPartner) -> None:
    feed = partner.stack.addresses["feed"]
    page = await visit("about:blank")
    await page.goto(f"{feed}/live")
    await expect(page.get_by_role("alert")).to_contain_text("opened by a casino")
    casino = partner.stack.addresses["sandbox_casino"]
    await page.goto("about:blank")
    await page.goto(f"{feed}/live#token=nonsense&client=1&again={casino}/casino/{partner.partner_client_id}/live")
    await expect(page.locator("#connection")).to_have_text("Access has ended")
    await page.get_by_role("link", name="Open it again").click()
    await expect(page.locator("#connection")).to_have_text("Live")
    await page.goto("about:blank")
    await page.goto(f"{feed}/live#token=nonsense&client=1&again=javascript:alert(1)")
    await expect(page.get_by_role("alert")).to_contain_text("ended")
    await expect(page.get_by_role("link")).to_have_count(0)
