"""The page ``/docs``: its policy lets it work, it asks no other host, and it fits a phone."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Visit
from tests.partner import Stack


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_page_shows_every_call_within_its_policy(visit: Visit, stack: Stack, width: int) -> None:
    api = stack.addresses["api_inner"]
    async with stack.http.get(f"{api}/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    page: Page = await visit("about:blank", viewport={"width": width, "height": 900})
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.on("console", lambda one: complaints.append(one.text))
    await page.goto(f"{api}/docs")
    await expect(page.locator(".opblock")).to_have_count(sum(len(item) for item in paths.values()))

    await page.locator("#operations-Casinos-launchGame .opblock-summary-control").click()
    await expect(page.locator("#operations-Casinos-launchGame .opblock-section-request-body")).to_be_visible()
    # The page sends no calls: it could not sign them.
    for name in ("Try it out", "Authorize"):
        await expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []
    assert [one for one in asked if not one.startswith((f"{api}/", "data:"))] == []
