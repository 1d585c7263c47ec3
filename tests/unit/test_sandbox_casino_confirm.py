"""``python -m betcore sandbox confirm``: casino and service change their way of confirming together."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr
from typer.testing import CliRunner

from betcore.cli.main import app
from betcore.db.engine import create_engine
from betcore.db.onboarding import Onboarding
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from devkit.cli.sandbox import CASINO_NAME
from tests.unit.sandbox_casino_aggregator import Aggregator, running_aggregator
from tests.unit.sandbox_casino_support import Casino, new_bet, running_sandbox

# No key of anybody: 32 bytes of text.
SECRET_KEY = "c2FuZGJveHNhbmRib3hzYW5kYm94c2FuZGJveHNhbmQ="


@dataclass
class Both:
    """The sandbox's casino as the service has it, and as it runs."""

    partners: Onboarding
    casino: Casino
    aggregator: Aggregator
    environment: dict[str, str | None]

    async def confirm(self, way: str, status: int = 0) -> Any:
        command = ["sandbox", "confirm", way, "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, command, env=self.environment)
        assert result.exit_code == status, result.output
        return json.loads(result.stdout)

    async def profile(self) -> dict[str, Any]:
        return await self.partners.profile("casino", CASINO_NAME)

    async def switch(self) -> str:
        return str((await self.casino.control("GET", "/_settings"))["confirmation"])


@pytest.fixture
async def both(database_url: str, tmp_path: Path) -> AsyncIterator[Both]:
    outside: dict[str, str | None] = {name: None for name in os.environ if name.startswith("BETCORE_")}
    async with (
        running_aggregator() as aggregator,
        running_sandbox(database_url, aggregator=aggregator.url) as sandbox,
        ClientSession() as http,
    ):
        engine = create_engine(Settings(database_url=SecretStr(database_url)))
        partners = Onboarding(engine, Vault(SECRET_KEY))
        profile = "fast_attempts: 1\napproval_above: {EUR: 12.50}\n"
        added = await partners.add_casino(CASINO_NAME, sandbox.url, profile, "reply")
        aggregator.secrets[added["partner_client_id"]] = added["secret"]
        casino = Casino(sandbox.url, http, added["partner_client_id"])
        await casino.open_player()
        here: dict[str, str | None] = {
            "BETCORE_DATABASE_URL": database_url,
            "BETCORE_SECRET_KEY": SECRET_KEY,
            "BETCORE_DATA_DIR": str(tmp_path),
            "BETCORE_PARTNER_CACHE_SECONDS": "0",
            "BETCORE_SANDBOX_CASINO_PORT": sandbox.url.rpartition(":")[2],
        }
        yield Both(partners, casino, aggregator, outside | here)
        await engine.dispose()


async def test_both_sides_change_and_the_rest_of_the_profile_stays(both: Both) -> None:
    before = await both.profile()
    assert await both.confirm("accept") == {"casino": CASINO_NAME, "confirmation": "accept"}
    assert await both.profile() == before | {"confirmation": "accept"}
    assert await both.switch() == "accept"
    assert await both.confirm("reply") == {"casino": CASINO_NAME, "confirmation": "reply"}
    assert await both.profile() == before
    assert await both.switch() == "reply"


async def test_the_casino_gets_the_secret_that_its_accepts_need(both: Both) -> None:
    await both.confirm("accept")
    bet = new_bet()
    assert (await both.casino.make(bet, -1, "10.00")).code == 200
    assert [one["BetId"] for one in await both.aggregator.until(1)] == [bet]


async def test_a_profile_that_does_not_allow_it_leaves_both_as_they_were(both: Both) -> None:
    await both.partners.change(
        "casino", CASINO_NAME, profile="{confirmation: reply, effect_within: 5, accept_within: 30}"
    )
    assert (await both.confirm("accept", status=1))["error"]["code"] == "invalid_profile"
    assert (await both.profile())["confirmation"] == "reply"
    assert await both.switch() == "reply"


async def test_a_casino_that_is_down_leaves_the_service_as_it_was(both: Both) -> None:
    both.environment["BETCORE_SANDBOX_CASINO_PORT"] = "1"
    assert (await both.confirm("accept", status=1))["error"]["code"] == "unreachable"
    assert (await both.profile())["confirmation"] == "reply"


async def test_without_the_sandbox_there_is_nothing_to_change(both: Both, new_database: Any) -> None:
    both.environment["BETCORE_DATABASE_URL"] = await new_database()
    assert (await both.confirm("accept", status=1))["error"]["code"] == "not_found"
