"""The frame in a casino's page on another origin, from the log-in to a bet, with nothing that is made up."""

import json

import pytest
from playwright.async_api import expect

from devkit.sandbox.provider import rounds
from tests.browser.casino_page import MORE
from tests.browser.conftest import Casino, Visit
from tests.browser.test_sandbox_game import roll_in
from tests.partner import ROOT, TestPartner, eventually

ERRORS = {
    language: json.loads((ROOT / "api" / "webframe" / "locales" / f"{language}.json").read_text())["errors"]
    for language in ("en", "pt-BR")
}


async def test_a_bet_is_played_from_the_lobby_and_moves_the_balance_everywhere(casino: Casino) -> None:
    at = await casino()
    await expect(at.frame.get_by_text("€1,000.00")).to_be_visible()
    await at.choose()
    await expect(at.game.locator("#balance")).to_have_text("€1,000.00")
    outcome = await roll_in(at.game)
    shown = await at.game.locator("#balance").inner_text()
    assert outcome == "returned" or shown != "€1,000.00"
    await expect(at.frame.locator(".purse")).to_contain_text(shown)
    known = await at.partner.at_casino("GET", f"/_players/{at.partner.partner_client_id}/{at.name}")
    await expect(at.page.locator("#balance")).to_have_text(f"{float(known['balance']):.2f} EUR")
    await at.frame.get_by_role("button", name="All games").click()
    await expect(at.frame.locator(".card-play")).to_be_focused()
    await expect(at.event("game_closed")).to_have_count(1)
    async with at.page.expect_request("**/webframe/api/games"):
        await at.frame.get_by_role("searchbox").fill("")
    [closed] = at.bodies("close")
    [session] = await at.partner.sql(
        "SELECT state, end_reason FROM session WHERE session_id = :s", s=closed["sessionId"]
    )
    assert tuple(session) == ("ended", "closed")


async def test_the_lobby_searches_and_pages(casino: Casino) -> None:
    at = await casino()
    await at.search("", 24)
    await expect(at.cards.filter(has_text=f"of {at.partner.number}")).to_have_count(24)
    await expect(at.frame.get_by_text("The first 24 games")).to_be_visible()
    await at.frame.get_by_role("button", name="Show more").click()
    await expect(at.cards).to_have_count(MORE + 1)
    await at.frame.get_by_role("button", name="Casual").click()
    await expect(at.cards).to_have_count(1)
    await expect(at.frame.get_by_role("button", name="Casual")).to_have_attribute("aria-pressed", "true")
    await at.frame.get_by_role("searchbox").fill("<b>nothing")
    await expect(at.frame.get_by_text("No game is called “<b>nothing”.")).to_be_visible()
    await at.frame.get_by_role("button", name="Show all games").click()
    await expect(at.cards).to_have_count(24)
    assert at.bodies("games")[-1] == {"limit": 24}


async def test_what_is_typed_belongs_to_the_next_page_and_not_to_the_one_that_is_shown(casino: Casino) -> None:
    at = await casino()
    await at.search("", 24)
    # Both in one turn of the browser's loop: the search that was typed has not begun.
    await at.page.frames[1].evaluate("""() => {
        const search = document.getElementById("search");
        search.value = `Sandbox Dice ${search.value}`;
        search.dispatchEvent(new Event("input"));
        document.querySelector(".below button").click();
    }""")
    await expect(at.cards).to_have_count(1)
    first, more, found = at.bodies("games")[-3:]
    assert (more["search"], "cursor" in more) == (first["search"], True)
    assert (found["search"], "cursor" in found) == (f"Sandbox Dice {first['search']}", False)
    # The player goes on typing: the games that came meanwhile do not take the keyboard.
    assert await at.page.frames[1].evaluate("document.activeElement.id") == "search"


async def test_a_visitor_plays_for_fun(casino: Casino) -> None:
    at = await casino(log_in=False)
    await at.choose()
    await expect(at.game.locator("#label")).to_have_text("Balance for fun")
    await expect(at.frame.locator(".tag")).to_have_text("Demo")
    assert [body["mode"] for body in at.bodies("launch")] == ["demo"]


async def test_a_game_for_money_opens_when_the_visitor_has_logged_in(casino: Casino, games: int) -> None:
    at = await casino(f"game={games}", log_in=False)
    await expect(at.frame.get_by_role("alert")).to_contain_text("Log in to play")
    await expect(at.page.get_by_label("Player")).to_be_focused()
    await at.log_in()
    await expect(at.game.locator("#label")).to_have_text("Balance")
    assert at.bodies("launch") == [{"game": str(games), "mode": "real"}]


async def test_no_token_stands_in_an_address(casino: Casino) -> None:
    at = await casino()
    token = at.bodies("open")[-1]["token"]
    assert token
    assert not [url for url in at.addresses if token in url]


async def test_an_idle_session_is_renewed_at_the_casino_unseen(casino: Casino) -> None:
    at = await casino()
    opened, before = len(at.bodies("open")), await at.authenticated()
    await at.idle()
    await at.choose()
    await expect(at.game.locator("#balance")).to_have_text("€1,000.00")
    assert await at.authenticated() == before + 1
    assert len(at.bodies("open")) == opened


async def test_two_tabs_of_a_player_both_go_on_after_a_pause(casino: Casino) -> None:
    first = await casino()
    # The casino of the sandbox keeps one token for each player: this log-in replaces the first one.
    second = await casino(name=first.name)
    await first.idle()
    for tab in (first, second, first):
        await tab.choose()
        await expect(tab.game.locator("#balance")).to_have_text("€1,000.00")
        await tab.frame.get_by_role("button", name="All games").click()
    await expect(first.event("auth_required")).to_have_count(1)
    assert [len(tab.bodies("close")) for tab in (first, second)] == [2, 1]


async def test_an_expired_session_takes_a_new_token_while_the_game_stays(casino: Casino) -> None:
    at = await casino()
    await at.choose()
    await expect(at.game.locator("#balance")).to_have_text("€1,000.00")
    running = next(one for one in at.page.frames if f"/frame/{rounds.GAME_ID}" in one.url)
    await running.evaluate("window.stays = true")
    # A log-in elsewhere: the casino does not know the token any more that it gave last.
    base = f"{at.partner.stack.addresses['sandbox_casino']}/casino/{at.partner.partner_client_id}"
    async with at.partner.stack.http.post(f"{base}/login", json={"partner_user_id": at.name}) as answer:
        assert answer.status == 200
    await at.idle()
    await expect(at.event("auth_required").filter(has_text="session_expired")).to_have_count(1)
    await expect(at.frame.get_by_role("alert")).to_contain_text("You are logged in.")
    first, last = [body["token"] for body in at.bodies("open")][-2:]
    assert first != last
    assert await running.evaluate("window.stays")
    assert len(at.bodies("launch")) == 1


@pytest.mark.parametrize("language", ERRORS)
async def test_a_page_that_is_no_providers_is_refused_and_the_next_one_opens(casino: Casino, language: str) -> None:
    at = await casino(f"language={language}")
    fault = {
        "counterparty_id": at.partner.counterparty_id,
        "times": 1,
        "body": '{"frameUri": "https://other.example/"}',
    }
    async with at.partner.stack.http.post(
        at.partner.stack.addresses["sandbox_provider"] + "/_launches", json=fault
    ) as a:
        assert a.status == 200
    await at.choose()
    alert = at.frame.locator(".stage").get_by_role("alert")
    await expect(alert).to_contain_text(ERRORS[language]["provider_unavailable"])
    await expect(at.event("error")).to_contain_text("provider_unavailable")
    await alert.page.frame_locator("#games iframe").locator(".stage button").first.click()
    await expect(at.game.locator("#play")).to_be_visible()


@pytest.mark.parametrize("language", ERRORS)
async def test_a_player_whom_the_casino_has_blocked_is_told_so(casino: Casino, language: str) -> None:
    at = await casino(f"language={language}", log_in=False)
    blocked = {"kind": "error_code", "path": "/users/auth", "error_code": 103805, "times": 1}
    await at.partner.faults(blocked)
    await at.log_in()
    await expect(at.frame.get_by_role("alert")).to_contain_text(ERRORS[language]["player_blocked"])
    await expect(at.event("error")).to_contain_text("player_blocked")


async def test_a_page_of_another_origin_gets_no_frame(player: TestPartner, visit: Visit) -> None:
    base = player.stack.addresses["sandbox_casino"].replace("127.0.0.1", "localhost")
    page = await visit("about:blank")
    await page.goto(f"{base}/casino/{player.partner_client_id}")
    await expect(page.locator("#games iframe")).to_be_visible()
    await page.wait_for_function("() => window.frames.length === 1")
    async with page.expect_console_message(lambda one: "frame-ancestors" in one.text):
        await page.reload()

    async def refused() -> bool:
        return page.frames[1].url.startswith("chrome-error:")

    await eventually(refused)
