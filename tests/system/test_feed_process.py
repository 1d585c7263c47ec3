"""The feed as a process of a stack: it is killed, stopped and started again, and its clients come back."""

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.hub_clients import HUB, npm_client
from tests.live_rows import add_live_game
from tests.partner import Stack, TestPartner

_TOKEN = "/partnersmediator-service/api/v2/auth/token"


async def _token(partner: TestPartner) -> str:
    secret = await partner.onboarding.secret("casino", partner.casino)
    asked = {"PartnerClientId": partner.partner_client_id, "Secret": secret}
    async with partner.stack.http.post(partner.stack.addresses["feed"] + _TOKEN, json=asked) as answer:
        token: str = (await answer.json())["Value"]["AccessToken"]
    return token


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_a_client_comes_back_when_its_feed_does(own_stack: Stack, number: signal.Signals) -> None:
    partner = await own_stack.partner()
    row = (await partner.sql("SELECT provider_id FROM provider WHERE name = :name", name=partner.provider))[0]
    game = await add_live_game(own_stack.engine, row.provider_id)
    closes = datetime.now(UTC) + timedelta(minutes=5)
    await game.put(1, "active", "betting", started_at=datetime.now(UTC), betting_closes_at=closes)
    url, token = own_stack.addresses["feed"] + HUB, await _token(partner)
    async with npm_client(url, token, reconnect=[200] * 300) as client:
        await client.until("started")
        # The feed knows the game within half a second; calls without a pause would be a flood, which it ends for good.
        while (await client.subscribe(partner.partner_client_id, game.game_type))["event"] == "refused":
            await asyncio.sleep(0.2)
        await client.pushed()
        killed = own_stack.pid("feed")
        os.kill(killed, number)
        await client.until("reconnecting")
        assert (await client.until("reconnected", "closed"))["event"] == "reconnected"
        assert own_stack.pid("feed") != killed
        # What has happened meanwhile is what the first frame shows.
        await game.put(1, "review")
        await client.subscribe(partner.partner_client_id, game.game_type)
        while (await client.pushed())["wgi"][0]["s"] != 4:
            pass
    log = (own_stack.folder / "logs" / "feed.log").read_text()
    assert token not in log
    assert "access_token=" not in log


async def test_no_line_of_the_log_has_the_token_of_a_page(own_stack: Stack) -> None:
    partner = await own_stack.partner()
    token = await _token(partner)
    async with npm_client(own_stack.addresses["feed"] + HUB, token, browser=True) as client:
        await client.until("started")
    async with npm_client(own_stack.addresses["feed"] + HUB, "nonsense", browser=True, skipNegotiation=True) as client:
        await client.until("failed")
    log = (own_stack.folder / "logs" / "feed.log").read_text()
    assert token not in log
    assert "access_token" not in log
