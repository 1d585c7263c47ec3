"""``python -m betcore cashback`` beside a database alone: what it refuses; an order stands without Temporal."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from betcore.cli.main import app
from tests.in_process_casino import SECRET_KEY
from tests.unit.partner_rows import PARTNERS

BY = ("--operator", "ann", "--reason", "a test", "--wait", "0")


class Cli:
    """The command line at one database; its Temporal does not answer."""

    def __init__(self, database_url: str, folder: Path) -> None:
        nowhere = {"BETCORE_TEMPORAL_ADDRESS": "127.0.0.1:1", "BETCORE_DATA_DIR": str(folder)}
        keys = {"BETCORE_SECRET_KEY": SECRET_KEY}
        self._runner = CliRunner(env={"BETCORE_DATABASE_URL": database_url, **keys, **nowhere})

    async def __call__(self, *arguments: str) -> Any:
        """Run a command with --json, and return its object."""
        ran = await asyncio.to_thread(self._runner.invoke, app, ["cashback", *arguments, "--json"])
        return json.loads(ran.stdout)

    async def issue(self, **changed: str) -> Any:
        """Order 5 EUR for anna, or what is given instead."""
        given = {"casino": "c", "player": "anna", "amount": "5.00", "currency": "EUR", **changed}
        options = [part for name, value in given.items() for part in (f"--{name}", value)]
        return await self("issue", *options, *BY)


@pytest.fixture
async def cli(database_url: str, tmp_path: Path) -> Cli:
    connection = await asyncpg.connect(database_url)
    await connection.execute(PARTNERS)
    await connection.close()
    return Cli(database_url, tmp_path)


async def test_an_order_stands_though_temporal_does_not_answer(cli: Cli) -> None:
    found = await cli.issue(request="night")
    assert (found["state"], found["opened"], found["amount"]) == ("issuing", "opened", "EUR 5.00")
    assert "Temporal does not answer" in found["waits"]
    assert (await cli.issue(request="night"))["opened"] == "repeated"
    asked = await cli("cancel", str(found["cashback_id"]), *BY)
    assert (asked["asked"], asked["state"]) == ("now", "issuing")
    for options in ((), ("--open",), ("--player", "anna"), ("--before", str(found["cashback_id"] + 1))):
        [listed] = (await cli("list", "--casino", "c", *options))["cashbacks"]
        assert (listed["cashback_id"], listed["cancel_reason"]) == (found["cashback_id"], "a test")
    assert (await cli("list", "--casino", "c", "--before", str(found["cashback_id"])))["cashbacks"] == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"casino": "nowhere"}, "not_found"),
        ({"player": "bob"}, "not_found"),
        ({"amount": "5.001"}, "invalid_operation"),
        ({"amount": "0"}, "invalid_operation"),
        ({"amount": "-5"}, "invalid_operation"),
        ({"currency": "XXX"}, "invalid_operation"),
        ({"request": "a b"}, "invalid_operation"),
    ],
)
async def test_what_cannot_be_ordered_changes_nothing(cli: Cli, changed: dict[str, str], code: str) -> None:
    assert (await cli.issue(**changed))["error"]["code"] == code
    assert (await cli("list", "--casino", "c"))["cashbacks"] == []


async def test_a_cashback_that_is_not_there_is_not_cancelled(cli: Cli) -> None:
    assert (await cli("cancel", "42", *BY))["error"]["code"] == "not_found"
