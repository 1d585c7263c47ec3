"""Bets behind a payload key in the Temporal UI, in Chromium: with the codec server that ``up`` starts, and without."""

import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet
from playwright.async_api import Page, expect

from betcore.domain.ids import BetKey, bet_workflow_id
from betcore.runtime.operator_tokens import issue
from betcore.temporal.visibility import story_link
from tests.api.wire import running_codec
from tests.browser.conftest import Visit
from tests.browser.pictures import keep
from tests.partner import PATIENCE, Stack, TestPartner, eventually, start_stack

_SIZE = {"width": 1360, "height": 900}
_KEY = Fernet.generate_key().decode()


@pytest.fixture(scope="module")
async def sealed_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run a stack with a payload key."""
    folder: Path = tmp_path_factory.mktemp("sealed") / "stack"
    async with start_stack(folder, BETCORE_TEMPORAL_PAYLOAD_KEY=_KEY) as stack:
        yield stack


@pytest.fixture(scope="module")
async def owed(sealed_stack: Stack) -> str:
    """Play a bet whose casino does not take the win, and return its workflow's id."""
    partner: TestPartner = await sealed_stack.partner(casino="retry: {first: 1, cap: 60}")
    bet = partner.new_bet()
    await partner.pay_in(bet)
    await partner.faults({"kind": "status", "path": "/payments/make"})
    await partner.pay_out(bet, "25.00")
    workflow_id = bet_workflow_id(BetKey(partner.counterparty_id, bet))

    async def is_owed() -> bool:
        attributes = (await sealed_stack.client.get_workflow_handle(workflow_id).describe()).search_attributes
        return attributes.get("BetStatus") == ["owed"]

    await eventually(is_owed)
    return workflow_id


async def _story(stack: Stack, workflow_id: str, page: Page) -> None:
    run_id = (await stack.client.get_workflow_handle(workflow_id).describe()).run_id
    await _open(page, story_link(stack.addresses["temporal_ui"], "default", workflow_id, run_id))


async def _open(page: Page, address: str) -> None:
    """Open a page of the UI, again if the UI itself fails, as it does on a busy machine."""
    await page.goto(address)
    tabs, failed = page.get_by_role("tab", name="User Metadata"), page.get_by_role("heading", name="500")
    while True:
        await expect(tabs.or_(failed).first).to_be_visible(timeout=PATIENCE * 1000)
        if await tabs.is_visible():
            return
        await page.reload()


async def test_operators_read_who_plays_where_and_what_comes_next(sealed_stack: Stack, owed: str, visit: Visit) -> None:
    page = await visit("about:blank", viewport=_SIZE)
    await _story(sealed_stack, owed, page)
    # The UI shows Markdown in frames: the summary, the details, the current details.
    summary, details, current = (page.frame_locator(f"iframe >> nth={number}") for number in range(3))
    await expect(summary.get_by_text("stake EUR 10.00")).to_be_visible()
    for fact in ("Provider:", "Casino:", "Player:", "Game:", "Round:"):
        await expect(details.get_by_text(fact)).to_be_visible()
    await expect(current.get_by_text("it is sent again, with growing gaps")).to_be_visible()
    if "BETCORE_PICTURES" in os.environ:
        keep(await page.screenshot(clip={"x": 258, "y": 60, "width": 1102, "height": 840}), "codec", "wide")
    await _open(page, f"{sealed_stack.addresses['temporal_ui']}/namespaces/default/workflows/{quote(owed, safe='')}")
    # Before it shows the input the page asks for the history.
    await expect(page.get_by_text('"sealed"').first).to_be_visible(timeout=PATIENCE * 1000)
    await expect(page.get_by_text('"partner_user_id"').first).to_be_visible()
    await expect(page.get_by_text("anna")).to_have_count(0)
    log = (sealed_stack.folder / "logs" / "codec.log").read_text()
    assert f'"workflows": {{"{owed}": ' in log
    assert '"operator": "up"' in log
    assert sealed_stack.addresses["codec"].rpartition("/")[2] not in log


async def test_without_the_codec_server_nothing_can_be_read(sealed_stack: Stack, owed: str, visit: Visit) -> None:
    page = await visit("about:blank", viewport=_SIZE)
    await page.route("**/decode*", lambda route: route.abort())
    await _open(page, f"{sealed_stack.addresses['temporal_ui']}/namespaces/default/workflows/{quote(owed, safe='')}")
    encoding = page.get_by_text("YmluYXJ5L2VuY3J5cHRlZC1hZXMtZ2Nt").first
    await expect(encoding).to_be_visible(timeout=PATIENCE * 1000)
    await expect(page.get_by_text("partner_user_id")).to_have_count(0)
    if folder := os.environ.get("BETCORE_LOOK"):
        await page.screenshot(path=f"{folder}/without.png")


async def test_an_operator_signs_in_and_the_ui_sends_the_cookie(sealed_stack: Stack, owed: str, visit: Visit) -> None:
    token, entry = issue("anna", datetime.now(UTC).date() + timedelta(days=1))
    ui = sealed_stack.addresses["temporal_ui"]
    async with running_codec(temporal_payload_key=_KEY, codec_origins=ui, codec_tokens=str(entry)) as codec:
        server = f"http://127.0.0.1:{codec.port}"
        page = await visit("about:blank", viewport=_SIZE)
        # What its dialog "Codec Server" stores.
        chosen = {"endpoint": server, "overrideRemoteCodecConfiguration": True, "includeCredentials": True}
        stored = {name: json.dumps(value) for name, value in chosen.items()}
        await page.add_init_script(f"Object.assign(localStorage, {json.dumps(stored)})")
        async with page.expect_response(lambda answer: answer.url.startswith(server) and answer.status == 401):
            await _story(sealed_stack, owed, page)
        await expect(page.get_by_text("No summary available")).to_be_visible()

        sign_in = await page.context.new_page()
        await sign_in.goto(f"{server}/sign-in")
        await sign_in.get_by_label("Token").fill(token)
        await sign_in.get_by_role("button", name="Sign in").click()
        await expect(sign_in.get_by_text("Signed in as anna for 12 hours")).to_be_visible()
        await _story(sealed_stack, owed, page)
        await expect(page.frame_locator("iframe >> nth=0").get_by_text("stake EUR 10.00")).to_be_visible()
