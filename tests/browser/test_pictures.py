"""Makes the pictures of docs/pictures/: BETCORE_PICTURES=1 make test ARGS=tests/browser/test_pictures.py."""

import os
from io import BytesIO

import pytest
from PIL import Image
from playwright.async_api import expect

from tests.browser.test_frame import Casino, card, casino
from tests.partner import ROOT

__all__ = ["casino"]  # a fixture

_KEPT = ROOT / "docs" / "pictures"
_WIDE, _NARROW = {"width": 1120, "height": 700}, {"width": 390, "height": 780}


@pytest.mark.skipif("BETCORE_PICTURES" not in os.environ, reason="makes the pictures of docs/pictures/")
@pytest.mark.parametrize(
    ("name", "size", "scheme"), [("wide", _WIDE, "dark"), ("narrow", _NARROW, "light")], ids=["wide", "narrow"]
)
async def test_pictures(casino: Casino, name: str, size: dict[str, int], scheme: str) -> None:
    page, frame, _ = await casino(viewport=size, color_scheme=scheme)
    await expect(frame.locator(".card")).to_have_count(24)
    await expect(frame.get_by_role("alert")).to_be_empty()
    _keep(await page.screenshot(), "lobby", name)
    await card(frame, "Golden Dice, ").click()
    game = frame.frame_locator("iframe.game")
    await game.get_by_role("button", name="Roll").click()
    await expect(game.locator("#past li")).to_have_count(1)
    _keep(await page.screenshot(), "game", name)


def _keep(screenshot: bytes, what: str, name: str) -> None:
    _KEPT.mkdir(exist_ok=True)
    # A palette makes a file of a quarter of the size.
    Image.open(BytesIO(screenshot)).convert("RGB").quantize(256).save(_KEPT / f"{what}-{name}.png", optimize=True)
