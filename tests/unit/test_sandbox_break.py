"""Breaking and mending the sandbox casino from the command line, against a real one."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from betcore.cli.main import app
from betcore.runtime.settings_sources import STACK_FILE
from tests.unit.sandbox_casino_support import Casino, Sandbox, new_bet


@dataclass
class Cli:
    """``python -m betcore sandbox ...`` in the folder of a stack that has recorded its casino."""

    environment: dict[str, str | None]

    async def run(self, *arguments: str, status: int = 0) -> Any:
        result = await asyncio.to_thread(
            CliRunner().invoke, app, ["sandbox", *arguments, "--json"], env=self.environment
        )
        assert result.exit_code == status, result.output
        return json.loads(result.stdout)


@pytest.fixture
def cli(sandbox: Sandbox, casino: Casino, tmp_path: Path) -> Cli:
    ready = {
        "database": sandbox.database_url,
        "sandbox_casino": sandbox.url,
        "partner_client_id": casino.client_id,
        "session_id": "session-1",
    }
    (tmp_path / STACK_FILE).write_text(json.dumps({"ready": ready}))
    outside: dict[str, str | None] = {name: None for name in os.environ if name.startswith("BETCORE_")}
    here = {"BETCORE_DATABASE_URL": sandbox.database_url, "BETCORE_DATA_DIR": str(tmp_path)}
    return Cli(outside | here)


async def test_a_broken_casino_fails_until_it_is_mended(cli: Cli, casino: Casino) -> None:
    said = await cli.run(
        "break",
        "--kind",
        "error_code",
        "--path",
        "/payments/make",
        "--type",
        "-1",
        "--error-code",
        "103806",
        "--commit",
    )
    fault = {"kind": "error_code", "path": "/payments/make", "transaction_type": -1, "error_code": 103806}
    assert said["faults"] == [fault | {"commit": True, "fired": 0}]
    bet = new_bet()
    assert (await casino.make(bet, -1, "10.00")).code == 103806
    assert (await casino.make(bet, 1, "10.00")).code == 200
    (shown,) = (await cli.run("faults"))["faults"]
    assert shown["fired"] == 1
    assert await cli.run("mend") == {"faults": []}
    assert (await casino.make(bet, -1, "10.00")).code == 200


async def test_faults_are_replaced_or_added(cli: Cli, casino: Casino) -> None:
    await cli.run("break", "--kind", "delay", "--delay", "0.5", "--times", "3", "--player", "alice")
    await casino.make(new_bet(), -1, "1.00")
    await cli.run("break", "--kind", "lost", "--probability", "0.2", "--seed", "9", "--add")
    shown = await casino.control("GET", "/_faults")
    slow = {"kind": "delay", "delay": 0.5, "times": 3, "partner_user_id": "alice", "fired": 0}
    assert (shown["seed"], shown["faults"]) == (9, [slow, {"kind": "lost", "probability": 0.2, "fired": 0}])
    assert (await cli.run("break", "--kind", "drop", "--bet-id", "5"))["faults"] == [
        {"kind": "drop", "bet_id": 5, "fired": 0}
    ]


async def test_the_casinos_accepts_can_be_broken(cli: Cli) -> None:
    said = await cli.run("break", "--kind", "contradict", "--path", "/payments/accept", "--error-code", "103806")
    assert said["faults"] == [{"kind": "contradict", "path": "/payments/accept", "error_code": 103806, "fired": 0}]
    refused = (await cli.run("break", "--kind", "early", status=1))["error"]
    assert refused["code"] == "sandbox_refused"
    assert "/payments/accept" in refused["message"]
    assert (await cli.run("faults"))["faults"] == said["faults"]


async def test_what_the_casino_does_not_know_is_refused(cli: Cli) -> None:
    assert (await cli.run("break", "--kind", "earthquake", status=1))["error"]["code"] == "sandbox_refused"
    assert (await cli.run("faults"))["faults"] == []
