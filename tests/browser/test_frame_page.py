"""The frame's page with answers that are made in the browser: lobby, keyboard, screens, languages, rare refusals."""

import re
from collections.abc import Awaitable, Callable
from itertools import count

import pytest
from playwright.async_api import FrameLocator, Page, expect

from tests.browser.conftest import Visit
from tests.browser.frame_api import FrameApi
from tests.partner import TestPartner

_players = count(1)

Casino = Callable[..., Awaitable[tuple[Page, FrameLocator, FrameApi]]]


@pytest.fixture
async def casino(player: TestPartner, visit: Visit) -> Casino:
    """Open the sandbox casino's page; ``log_in`` logs a new player in."""

    async def open_page(query: str = "", *, log_in: bool = True, **options: object):
        name = f"player-{next(_players)}"
        api = FrameApi(player, name, await player.seat(name))
        page = await visit("about:blank", **options)
        await api.answer(page)
        base = player.stack.addresses["sandbox_casino"]
        await page.goto(f"{base}/casino/{player.partner_client_id}?{query}")
        frame = page.frame_locator("#games iframe")
        if log_in:
            await page.get_by_label("Player").fill(name)
            await page.get_by_role("button", name="Log in").click()
            await expect(page.locator("#balance")).to_have_text("1000.00 EUR")
        return page, frame, api

    return open_page


def card(frame: FrameLocator, name: str):
    return frame.get_by_role("button", name=re.compile(f"(Play|Jogar) {name}"))


async def test_the_game_gets_a_place_and_no_more(casino: Casino) -> None:
    page, frame, _ = await casino()
    await card(frame, "Golden Dice, ").click()
    game = frame.locator("iframe.game")
    await expect(game).to_have_attribute("sandbox", "allow-scripts allow-same-origin allow-forms allow-popups")
    await expect(game).to_have_attribute("allow", "autoplay; fullscreen; clipboard-write")
    await expect(page.locator("#games iframe")).to_have_attribute("allow", "autoplay; fullscreen; clipboard-write")
    assert await page.context.cookies() == []
    for one in page.frames:
        assert await one.evaluate("localStorage.length + sessionStorage.length") == 0


async def test_a_visitor_sees_the_lobby_and_plays_for_fun(casino: Casino) -> None:
    page, frame, api = await casino(log_in=False)
    await frame.get_by_role("button", name="Play Golden Dice for fun").first.click()
    await expect(frame.frame_locator("iframe.game").locator("#label")).to_have_text("Balance for fun")
    await expect(frame.locator(".tag")).to_have_text("Demo")
    await frame.get_by_role("button", name="All games").click()
    await frame.get_by_role("button", name="Play Crash Pilot, Aurora Games").click()
    await expect(frame.get_by_role("alert")).to_contain_text("Log in to play")
    await expect(page.get_by_label("Player")).to_be_focused()
    assert api.bodies("launch") == [{"game": "g-0", "mode": "demo"}]
    await page.get_by_label("Player").fill(api.name)
    await page.get_by_role("button", name="Log in").click()
    # The game that was chosen opens once the player is known.
    await expect(frame.frame_locator("iframe.game").locator("#label")).to_have_text("Balance")


async def test_the_lobby_searches_chooses_and_pages(casino: Casino) -> None:
    _, frame, api = await casino()
    cards = frame.locator(".card")
    await expect(cards).to_have_count(24)
    await expect(frame.get_by_text("The first 24 games")).to_be_visible()
    await frame.get_by_role("button", name="Show more").click()
    await expect(cards).to_have_count(30)
    await frame.get_by_role("button", name="Slots").click()
    await expect(cards).to_have_count(10)
    await expect(frame.get_by_role("button", name="Slots")).to_have_attribute("aria-pressed", "true")
    await frame.get_by_role("searchbox", name="Search games").fill("river")
    await expect(cards).to_have_count(5)
    await frame.get_by_role("searchbox").fill("<b>nothing")
    await expect(frame.get_by_text("No game is called “<b>nothing”.")).to_be_visible()
    await frame.get_by_role("button", name="Show all games").click()
    await expect(cards).to_have_count(24)
    assert api.bodies("games")[-1] == {"limit": 24}


async def test_a_picture_that_cannot_be_read_leaves_a_drawn_one(casino: Casino) -> None:
    _, frame, _ = await casino()
    first = frame.locator(".card").first
    await expect(first.locator("img")).to_have_count(0)
    await expect(first.locator(".letters")).to_have_text("GD")


async def test_init_is_taken_once_and_from_the_parent_alone(casino: Casino) -> None:
    page, frame, api = await casino()
    opened = len(api.bodies("open"))
    await page.evaluate("""() => {
        const target = document.querySelector("#games iframe").contentWindow;
        target.postMessage({type: "init", token: "another", language: "pt-BR"}, "*", [new MessageChannel().port2]);
        target.postMessage({type: "unknown"}, "*");
        const other = document.createElement("iframe");
        document.body.append(other);
        // What is no frame of ours says ready, and gets no token.
        window.heard = 0;
        other.contentWindow.addEventListener("message", () => { window.heard += 1; });
        other.contentWindow.eval("parent.postMessage({type: 'ready'}, '*')");
    }""")
    await frame.get_by_role("button", name="Slots").click()
    await expect(frame.locator(".card")).to_have_count(10)
    assert len(api.bodies("open")) == opened
    assert await page.evaluate("window.heard") == 0


async def test_an_address_that_is_no_providers_is_not_shown(casino: Casino, player: TestPartner) -> None:
    page, frame, api = await casino()
    api.frame_uri = player.stack.addresses["api"].replace("127.0.0.1", "localhost") + "/health/live"
    await card(frame, "Golden Dice, ").click()
    await expect(frame.locator(".stage").get_by_role("alert")).to_contain_text("This game is not available")
    await expect(page.locator("#events")).to_contain_text("game_unavailable")
    await frame.locator(".stage").get_by_role("button", name="All games").click()
    await expect(frame.locator(".card")).to_have_count(24)


async def test_a_casino_that_does_not_answer_is_said_in_words(casino: Casino) -> None:
    page, frame, api = await casino(log_in=False)
    await expect(frame.locator(".card")).to_have_count(24)
    api.errors["open"] = ["casino_unavailable"]
    await page.reload()
    words = frame.locator(".stage").get_by_role("alert")
    await expect(words).to_have_text("The casino does not answer. Try again in a moment.")
    await frame.get_by_role("button", name="Try again").click()
    await expect(frame.locator(".card")).to_have_count(24)


async def test_the_keyboard_is_enough(casino: Casino) -> None:
    page, frame, _ = await casino()
    await frame.get_by_role("searchbox").focus()
    await page.keyboard.type("fruit")
    await expect(frame.locator(".card")).to_have_count(5)
    await page.keyboard.press("Escape")
    await expect(frame.locator(".card")).to_have_count(24)
    for _ in range(7):  # the categories, then the first game
        await page.keyboard.press("Tab")
    await expect(card(frame, "Golden Dice, ")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(frame.frame_locator("iframe.game").locator("#play")).to_be_visible()
    await expect(frame.get_by_role("heading", name="Golden Dice")).to_be_visible()
    await frame.get_by_role("button", name="Close the game").focus()
    await page.keyboard.press("Escape")
    await expect(card(frame, "Golden Dice, ")).to_be_focused()


async def test_a_narrow_screen_has_room_and_a_finger_too(casino: Casino) -> None:
    page, frame, _ = await casino(viewport={"width": 360, "height": 700}, has_touch=True)
    await expect(frame.locator(".card")).to_have_count(24)
    inside = page.frames[1]
    assert await inside.evaluate("document.documentElement.scrollWidth <= innerWidth")
    low = "[...document.querySelectorAll('button, input')].filter(e => e.offsetHeight && e.offsetHeight < 44).length"
    assert await inside.evaluate(low) == 0
    # The casino's page scrolls, and the frame is as high as its content.
    frame_height = await page.locator("#games iframe").evaluate("frame => frame.offsetHeight")
    inner = await inside.evaluate("document.getElementById('frame').getBoundingClientRect().height")
    assert inner <= frame_height < inner + 1
    await card(frame, "Golden Dice, ").tap()
    await expect(frame.frame_locator("iframe.game").locator("#play")).to_be_in_viewport()


async def test_the_second_language_is_whole(casino: Casino) -> None:
    _, frame, _ = await casino("language=pt-PT")
    await expect(frame.get_by_role("heading", name="Jogos")).to_be_visible()
    await expect(frame.locator("html")).to_have_attribute("lang", "pt-BR")
    await expect(frame.get_by_role("button", name="Caça-níqueis")).to_be_visible()
    await expect(frame.locator(".purse")).to_contain_text(re.compile("Saldo.*1.000,00", re.DOTALL))


async def test_the_page_alone_says_where_it_belongs(player: TestPartner, visit: Visit) -> None:
    page = await visit(f"{player.stack.addresses['api']}/webframe/{player.partner_client_id}")
    await expect(page.get_by_text("It cannot be opened on its own.")).to_be_visible()
