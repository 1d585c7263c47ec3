"""The script of casinos' pages, ``v1.js``, in pages of a casino's own making: layout, leaving, wrong options."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.casino_page import CasinoPage
from tests.browser.conftest import OwnSite, Visit
from tests.partner import TestPartner, eventually

# `heard` has what the frame has fired, in order.
_PAGE = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>A casino</title>
<style>body {{ margin: 0 }}</style>
{body}
<script src="{api}/webframe/v1.js"></script>
<script>
  var heard = [];
  var frame = BetcoreWebFrame.open({{ element: "#games", clientId: {client}, ...{options} }});
  for (const event of ["session", "game_closed", "exit"]) frame.on(event, (detail) => heard.push([event, detail]));
</script>"""
_WIDE = {"width": 900, "height": 700}
_PLAIN = '<div id="games"></div>'

Embed = Callable[..., Awaitable[CasinoPage]]


@pytest.fixture
async def embed(player: TestPartner, games: int, site: OwnSite, visit: Visit) -> Embed:
    """Open a page of the casino with this body, in which a visitor sees the frame with these options."""

    async def open_page(body: str = _PLAIN, **options: Any) -> CasinoPage:
        page = await visit("about:blank", viewport=_WIDE)
        await page.goto(put(site, player, body, options))
        return CasinoPage(player, page, "nobody")

    return open_page


def put(site: OwnSite, player: TestPartner, body: str, options: dict[str, Any]) -> str:
    """Put a page on the casino's site, and return its address."""
    name = f"page-{len(site.pages)}"
    api, client = player.stack.addresses["api"], player.partner_client_id
    site.pages[name] = _PAGE.format(body=body, api=api, client=client, options=json.dumps(options))
    site.pages["left"] = "<title>Left</title>"
    return f"{site.origin}/{name}"


async def place(at: CasinoPage) -> tuple[int, int]:
    """Return where in the window the frame begins, and how high it is."""
    found = await at.page.locator("#games iframe").bounding_box()
    assert found is not None
    return round(found["y"]), round(found["height"])


async def test_a_game_fills_what_is_left_below_what_floats_over_the_page(embed: Embed) -> None:
    header = '<header style="position: fixed; top: 0; width: 100%; height: 80px; background: navy"></header>'
    tall = '<div style="height: 1500px"></div>'
    at = await embed(header + tall + _PLAIN + tall, floatTop=80)
    await at.choose()
    await expect(at.game.locator("#play")).to_be_visible()

    async def filled() -> bool:
        return await place(at) == (80, _WIDE["height"] - 80)

    await eventually(filled)
    await expect(at.game.locator("#play")).to_be_in_viewport()


async def test_a_game_fills_the_element_that_scrolls_and_the_page_stays(embed: Embed) -> None:
    pane = '<main id="pane" style="height: 480px; margin-top: 40px; overflow: auto">{}</main>'
    tall = '<div style="height: 1200px"></div>'
    at = await embed(pane.format(tall + _PLAIN + tall) + tall, scrollContainer="#pane")
    await at.choose()
    await expect(at.game.locator("#play")).to_be_visible()

    async def filled() -> bool:
        return await place(at) == (40, 480)

    await eventually(filled)
    assert await at.page.evaluate("scrollY") == 0
    # What the frame shows over its page follows the part that can be seen.
    await at.frame.get_by_role("button", name="All games").click()
    await at.page.evaluate("document.getElementById('pane').scrollTop = 1300")

    async def seen() -> bool:
        top = "document.getElementById('frame').style.getPropertyValue('--seen-top')"
        return bool(await at.page.frames[1].evaluate(top) == "100px")

    await eventually(seen)


async def test_a_player_leaves_to_the_address_of_the_page(embed: Embed) -> None:
    at = await embed(exitUrl="left")
    await at.frame.get_by_role("button", name="Leave").click()
    await expect(at.page).to_have_title("Left")


async def test_a_player_leaves_a_frame_of_one_game(embed: Embed, games: int) -> None:
    at = await embed(exitUrl="left", game=games, mode="demo")
    await expect(at.game.locator("#play")).to_be_visible()
    await at.frame.get_by_role("button", name="Close the game").click()
    await expect(at.page).to_have_title("Left")


async def test_without_an_address_the_page_hears_that_the_player_leaves(embed: Embed, games: int) -> None:
    at = await embed(game=games, mode="demo")
    await expect(at.game.locator("#play")).to_be_visible()
    await at.frame.get_by_role("button", name="Close the game").click()
    await at.page.wait_for_function("heard.some(([event]) => event === 'exit')")
    lobby = await embed()
    await expect(lobby.cards).to_have_count(24)
    await expect(lobby.frame.get_by_role("button", name="Leave")).to_have_count(0)


async def test_a_frame_that_is_closed_ends_its_game_and_is_gone(embed: Embed) -> None:
    at = await embed()
    await at.choose()
    await expect(at.game.locator("#play")).to_be_visible()
    [[event, session]] = await at.page.evaluate("heard")
    assert event == "session"
    await at.page.evaluate("frame.close()")
    await expect(at.page.locator("iframe")).to_have_count(0)

    async def ended() -> bool:
        query = "SELECT end_reason FROM session WHERE session_id = :s"
        return bool((await at.partner.sql(query, s=session["sessionId"]))[0].end_reason == "closed")

    await eventually(ended)
    # Neither does any harm any more.
    await at.page.evaluate("frame.close(), frame.setToken('late')")


WRONG: list[tuple[str, object]] = [
    ("element", "#none"), ("element", None), ("clientId", "seven"), ("clientId", None), ("clientId", 1.5),
    ("token", ""), ("token", 12345), ("game", ""), ("page", ""), ("page", 1), ("language", 5), ("viewType", "tv"),
    ("tagId", -1), ("tagId", ""), ("mode", "fun"), ("exitUrl", "javascript:alert(1)"), ("scrollContainer", "#none"),
    ("floatTop", -1), ("floatTop", "high"), ("title", ""),
]  # fmt: skip


async def test_an_option_that_is_wrong_is_named_and_a_token_is_not_shown(embed: Embed) -> None:
    at = await embed()
    tried = """(given) => {
        try { BetcoreWebFrame.open({ element: "#games", clientId: 7, ...given }); }
        catch (error) { return `${error.name}: ${error.message}`; }
    }"""
    for option, given in WRONG:
        found = await at.page.evaluate(tried, {option: given})
        assert found.startswith(f"TypeError: BetcoreWebFrame.open: {option}"), (option, given)
        assert "12345" not in found
    assert await at.page.locator("iframe").count() == 1


async def test_a_listener_that_throws_stops_no_other(
    browser: Browser, player: TestPartner, games: int, site: OwnSite
) -> None:
    context = await browser.new_context(viewport=_WIDE)
    try:
        page = await context.new_page()
        thrown: list[str] = []
        page.on("pageerror", lambda error: thrown.append(str(error)))
        await page.goto(put(site, player, _PLAIN, {"game": games, "mode": "demo"}))
        await page.evaluate("""() => {
            frame.on("session", () => { throw new Error("broken"); });
            frame.on("session", () => { window.went_on = true; });
            frame.on("session", () => { window.heard_after_the_end = true; })();
        }""")
        await page.wait_for_function("window.went_on")
        assert await page.evaluate("window.heard_after_the_end") is None
        refused = "() => { try { frame.on('no-such', () => {}); } catch (error) { return error.name; } }"
        assert await page.evaluate(refused) == "TypeError"
        assert len(thrown) == 1
    finally:
        await context.close()
