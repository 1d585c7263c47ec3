"""The frame's page in detail: what a game gets, pictures, messages, keyboard, narrow screens, languages."""

import re
from typing import Any

from playwright.async_api import expect

from tests.browser.casino_page import name_of
from tests.browser.conftest import Casino, Visit
from tests.partner import TestPartner


async def test_the_game_gets_a_place_and_no_more(casino: Casino) -> None:
    at = await casino()
    await at.choose()
    game = at.frame.locator("iframe.game")
    await expect(game).to_have_attribute("sandbox", "allow-scripts allow-same-origin allow-forms allow-popups")
    await expect(game).to_have_attribute("allow", "autoplay; fullscreen; clipboard-write")
    await expect(at.page.locator("#games iframe")).to_have_attribute("allow", "autoplay; fullscreen; clipboard-write")
    assert await at.page.context.cookies() == []
    for one in at.page.frames:
        assert await one.evaluate("localStorage.length + sessionStorage.length") == 0


async def test_a_game_without_a_demo_opens_when_the_visitor_has_logged_in(casino: Casino) -> None:
    at = await casino(log_in=False)

    def without_demos(answer: Any) -> None:
        for game in answer["games"]:
            game["demo"] = False

    await at.alter("games", without_demos)
    await at.search("Sandbox Dice", 1)
    await at.frame.get_by_role("button", name=f"Play {name_of(at.partner)}").click()
    await expect(at.frame.get_by_role("alert")).to_contain_text("Log in to play")
    await expect(at.page.get_by_label("Player")).to_be_focused()
    await at.log_in()
    await expect(at.game.locator("#label")).to_have_text("Balance")
    assert [body["mode"] for body in at.bodies("launch")] == ["real"]


async def test_a_picture_is_shown_and_one_that_cannot_be_read_leaves_a_drawn_one(casino: Casino) -> None:
    at = await casino()
    await at.search("Sandbox Dice", 1)
    await expect(at.cards.locator("img.loaded")).to_have_count(1)
    assert await at.cards.locator("img").evaluate("picture => picture.naturalWidth") > 0
    await at.alter("games", lambda answer: answer["games"][0].update(imageUrl="https://127.0.0.1:1/dice.svg"))
    await at.frame.get_by_role("button", name="Casual").click()
    await expect(at.cards.locator("img")).to_have_count(0)
    await expect(at.cards.locator(".letters")).to_have_text("SD")


async def test_a_message_in_passing_takes_no_click(casino: Casino) -> None:
    at = await casino(log_in=False)
    message = at.frame.get_by_role("alert").locator(".notice", has_text="You are logged in.")
    await at.log_in()
    await expect(message).to_have_css("pointer-events", "none")
    await expect(message).to_have_count(0)


async def test_init_is_taken_once_and_from_the_parent_alone(casino: Casino) -> None:
    at = await casino()
    opened = len(at.bodies("open"))
    await at.page.evaluate("""() => {
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
    await at.search("Sandbox Dice", 1)
    assert len(at.bodies("open")) == opened
    assert await at.page.evaluate("window.heard") == 0


async def test_an_address_that_is_no_providers_is_not_shown(casino: Casino) -> None:
    at = await casino()
    elsewhere = at.partner.stack.addresses["api"].replace("127.0.0.1", "localhost") + "/health/live"
    await at.alter("launch", lambda answer: answer.update(frameUri=elsewhere))
    await at.choose()
    await expect(at.frame.locator(".stage").get_by_role("alert")).to_contain_text("This game is not available")
    await expect(at.page.locator("#events")).to_contain_text("game_unavailable")
    await at.frame.locator(".stage").get_by_role("button", name="All games").click()
    await expect(at.cards).to_have_count(1)


async def test_a_casino_that_does_not_answer_is_said_in_words(casino: Casino) -> None:
    at = await casino(log_in=False)
    await at.search("Sandbox Dice", 1)
    await at.refuse("open", 503, "casino_unavailable")
    await at.page.reload()
    words = at.frame.locator(".stage").get_by_role("alert")
    await expect(words).to_have_text("The casino does not answer. Try again in a moment.")
    await at.frame.get_by_role("button", name="Try again").click()
    await at.search("Sandbox Dice", 1)


async def test_the_keyboard_is_enough(casino: Casino) -> None:
    at = await casino()
    await at.search("River 1", 1)
    await at.page.keyboard.press("Escape")
    await expect(at.cards).to_have_count(24)
    await at.page.keyboard.type(name_of(at.partner))
    await expect(at.cards).to_have_count(1)
    card = at.frame.get_by_role("button", name=f"Play {name_of(at.partner)},")
    for _ in range(20):  # the button that clears the search, the categories, then the first game
        await at.page.keyboard.press("Tab")
        if await card.evaluate("card => card === document.activeElement"):
            break
    await expect(card).to_be_focused()
    await at.page.keyboard.press("Enter")
    await expect(at.game.locator("#play")).to_be_visible()
    await expect(at.frame.get_by_role("heading", name=name_of(at.partner))).to_be_visible()
    await at.frame.get_by_role("button", name="Close the game").focus()
    await at.page.keyboard.press("Escape")
    await expect(card).to_be_focused()


async def test_a_narrow_screen_has_room_and_a_finger_too(casino: Casino) -> None:
    at = await casino(viewport={"width": 360, "height": 700}, has_touch=True)
    await at.search("", 24)
    inside = at.page.frames[1]
    assert await inside.evaluate("document.documentElement.scrollWidth <= innerWidth")
    low = "[...document.querySelectorAll('button, input')].filter(e => e.offsetHeight && e.offsetHeight < 44).length"
    assert await inside.evaluate(low) == 0
    # The casino's page scrolls, and the frame is as high as its content.
    frame_height = await at.page.locator("#games iframe").evaluate("frame => frame.offsetHeight")
    inner = await inside.evaluate("document.getElementById('frame').getBoundingClientRect().height")
    assert inner <= frame_height < inner + 1
    await at.search("Sandbox Dice", 1)
    await at.frame.locator(".card-play").tap()
    await expect(at.game.locator("#play")).to_be_in_viewport()


async def test_the_second_language_is_whole(casino: Casino) -> None:
    at = await casino("language=pt-PT")
    await expect(at.frame.get_by_role("heading", name="Jogos")).to_be_visible()
    await expect(at.frame.locator("html")).to_have_attribute("lang", "pt-BR")
    await expect(at.frame.get_by_role("button", name="Loteria")).to_be_visible()
    await expect(at.frame.locator(".purse")).to_contain_text(re.compile("Saldo.*1.000,00", re.DOTALL))


async def test_the_page_alone_says_where_it_belongs(player: TestPartner, visit: Visit) -> None:
    page = await visit(f"{player.stack.addresses['api']}/webframe/{player.partner_client_id}")
    await expect(page.get_by_text("It cannot be opened on its own.")).to_be_visible()
