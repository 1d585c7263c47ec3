"""Onboarding as an operator does it: one JSON object on standard output, exit status 1 if refused."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from betcore.cli.main import app
from devkit.sandbox.provider.games import GAMES
from devkit.sandbox.provider.server import create_app as sandbox_provider
from tests.serving import serving

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What came of a command."""

    status: int
    output: str
    errors: str


class Cli:
    """The command line against one database, and nothing else from the environment of the tests."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith("BETCORE_")}
        self.environment |= {
            "BETCORE_DATABASE_URL": database_url,
            "BETCORE_SECRET_KEY": Fernet.generate_key().decode(),
            "BETCORE_DATA_DIR": str(folder),
            "BETCORE_OPERATOR": "ann",
        }

    def run(self, *arguments: str) -> Ran:
        """Run it in this process, which spares a second of imports."""
        result = CliRunner().invoke(app, arguments, env=self.environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        return Ran(result.exit_code, result.stdout, result.stderr)

    def process(self, *arguments: str) -> Ran:
        """Run it as an operator does."""
        command = [sys.executable, "-m", "betcore", *arguments]
        kept = {name: value for name, value in os.environ.items() if name not in self.environment}
        given = {name: value for name, value in self.environment.items() if value is not None}
        result = subprocess.run(
            command, cwd=ROOT, env=kept | given, capture_output=True, text=True, timeout=60, check=False
        )
        return Ran(result.returncode, result.stdout, result.stderr)

    def did(self, *arguments: str) -> dict[str, Any]:
        """Run a command that must succeed, and return the object that it printed."""
        ran = self.run(*arguments, "--json")
        assert ran.status == 0, ran
        return only_object(ran)

    def refused(self, *arguments: str) -> dict[str, str]:
        """Run a command that must be refused, and return its ``error`` object."""
        ran = self.run(*arguments, "--json")
        assert ran.status == 1, ran
        error: dict[str, str] = only_object(ran)["error"]
        return error


def only_object(ran: Ran) -> dict[str, Any]:
    """Return the one JSON object on standard output."""
    (line,) = ran.output.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.fixture
def cli(database_url: str, tmp_path: Path) -> Cli:
    return Cli(database_url, tmp_path)


EUROS = ("--currency", "EUR", "--min-bet", "0.10")


def add_partners(cli: Cli) -> None:
    cli.did("provider", "add", "--name", "acme", "--base-url", "http://acme.example")
    cli.did("casino", "add", "--name", "royal", "--api-host", "http://royal.example", "--confirmation", "reply")
    cli.did("game", "add", "--provider", "acme", "--game-id", "dice-1", "--name", "Dice", *EUROS)


def test_from_a_provider_to_a_session(cli: Cli) -> None:
    add_partners(cli)
    seat = ("--provider", "acme", "--casino", "royal", "--game", "dice-1", "--player", "p1", "--currency", "EUR")
    opened = cli.did("session", "open", *seat)
    assert opened["ended_at"] is None
    assert cli.did("session", "close", "--session", opened["session_id"])["ended_at"] is not None
    assert cli.did("session", "open", *seat, "--mode", "demo")["mode"] == "demo"
    assert cli.did("player", "block", "--casino", "royal", "--player", "p1")["blocked"] is True
    assert cli.did("player", "unblock", "--casino", "royal", "--player", "p1")["blocked"] is False
    assert cli.did("game", "list")["games"][0]["limits"] == {"EUR": {"min_bet": "0.10", "max_bet": None}}
    assert cli.did("game", "disable", "--provider", "acme", "--game-id", "dice-1")["disabled"] is True
    assert cli.refused("session", "open", *seat)["code"] == "game_disabled"


def test_limits_have_a_currency(cli: Cli) -> None:
    add_partners(cli)
    game = ("--provider", "acme", "--game-id", "dice-1")
    set_yen = ("game", "set-limits", *game, "--currency", "JPY", "--min-bet", "10", "--max-bet", "50000")
    yen = {"JPY": {"min_bet": "10", "max_bet": "50000"}}
    assert cli.did(*set_yen)["limits"] == {"EUR": {"min_bet": "0.10", "max_bet": None}} | yen
    assert cli.did("casino", "set-limits", "--name", "royal", "--currency", "EUR", "--max-bet", "100")["limits"] == {
        "EUR": {"min_bet": None, "max_bet": "100"}
    }
    assert cli.did("casino", "show", "--name", "royal")["limits"]["EUR"]["max_bet"] == "100"
    seat = ("--provider", "acme", "--casino", "royal", "--game", "dice-1", "--player", "p1", "--currency", "EUR")
    opened = cli.did("session", "open", *seat, "--brand", "royal.example", "--min-bet", "1", "--max-bet", "20")
    assert opened["brand"] == "royal.example"
    assert cli.refused("session", "open", *seat, "--max-bet", "0.01")["code"] == "limits_empty"
    for wins in (("--max-win", "0"), ("--max-win", "0.001"), ("--max-odd", "0"), ("--max-odd", "many")):
        assert cli.refused("session", "open", *seat, *wins)["code"] == "invalid_limits"
    cli.did("session", "open", *seat, "--max-win", "0.01", "--max-odd", "1.5")
    assert cli.refused("session", "open", *seat[:-1], "USD")["code"] == "currency_unsupported"


def test_a_secret_is_printed_once_and_never_again(cli: Cli) -> None:
    added = cli.did("provider", "add", "--name", "acme", "--base-url", "http://acme.example")
    rotated = cli.did("provider", "rotate-secret", "--name", "acme", "--overlap", "60")
    assert len({added["secret"], rotated["secret"]}) == 2
    for command in (
        ("provider", "list"),
        ("provider", "set-profile", "--name", "acme"),
        ("provider", "disable", "--name", "acme"),
    ):
        for ran in (cli.run(*command), cli.run(*command, "--json")):
            assert ran.status == 0
            for secret in (added["secret"], rotated["secret"]):
                assert secret not in ran.output + ran.errors


def test_a_change_names_its_operator_and_is_listed(cli: Cli) -> None:
    add_partners(cli)
    cli.did("casino", "set-limits", "--name", "royal", "--currency", "EUR", "--max-bet", "100", "--operator", "ben")
    newest = cli.did("admin", "events", "--of", "royal")["events"][0]
    assert (newest["operator"], newest["subject"], newest["new"]["max_bet"]) == ("ben", "casino_limit", 100)
    cli.did("casino", "set-profile", "--name", "royal", "--profile", os.devnull)
    listed = cli.run("admin", "events", "--since", "2026-01-01")
    assert "ann       update casino royal" in listed.output
    assert "profile.confirmation reply -> accept" in listed.output
    del cli.environment["BETCORE_OPERATOR"]
    assert cli.run("provider", "disable", "--name", "acme").status == 2
    assert cli.did("provider", "set-profile", "--name", "acme")["name"] == "acme"
    changed = ("provider", "set-profile", "--name", "acme", "--base-url", "http://new.example")
    assert cli.refused(*changed)["code"] == "invalid_operation"
    assert cli.refused(*changed, "--operator", "a\tb")["code"] == "invalid_name"


def test_a_casino_has_the_same_commands(cli: Cli) -> None:
    casino = ("--name", "royal")
    added = cli.did("casino", "add", *casino, "--api-host", "http://royal.example", "--confirmation", "reply")
    assert isinstance(added["partner_client_id"], int)
    assert cli.did("casino", "rotate-secret", *casino)["secret"] != added["secret"]
    assert cli.did("casino", "set-profile", *casino, "--api-host", "http://new.example")["name"] == "royal"
    assert cli.did("casino", "disable", *casino)["disabled"] is True
    (listed,) = cli.did("casino", "list")["casinos"]
    assert (listed["api_host"], listed["disabled"]) == ("http://new.example", True)
    assert listed["breaker"] == "closed"


def test_a_profile_comes_from_a_file_and_its_fault_is_named(cli: Cli, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("order_window: 7.5\n")
    bad.write_text("rate: {burst: none}\n")
    acme = ("--name", "acme", "--base-url", "http://acme.example")
    assert cli.refused("provider", "add", *acme, "--profile", str(bad))["message"].startswith("rate.burst: ")
    cli.did("provider", "add", *acme, "--profile", str(good))
    assert cli.did("provider", "set-profile", "--name", "acme")["profile"]["order_window"] == 7.5
    refused = cli.refused("provider", "set-profile", "--name", "acme", "--profile", str(tmp_path / "none.yaml"))
    assert refused["code"] == "invalid_profile"
    assert "none.yaml" in refused["message"]


def test_refusals_are_objects_with_a_code(cli: Cli) -> None:
    royal = ("casino", "add", "--name", "royal", "--api-host", "http://royal.example")
    assert cli.refused(*royal, "--confirmation", "never")["code"] == "invalid_profile"
    assert cli.refused("provider", "disable", "--name", "nobody")["code"] == "not_found"
    assert cli.refused("provider", "add", "--name", "acme", "--base-url", "acme")["code"] == "invalid_address"


def test_processes_print_objects_and_end_with_a_status(cli: Cli) -> None:
    add = ("provider", "add", "--name", "acme", "--base-url", "http://acme.example", "--json")
    added, again = cli.process(*add), cli.process(*add)
    assert (added.status, added.errors) == (0, "")
    assert set(only_object(added)) == {"name", "counterparty_id", "secret"}
    assert (again.status, again.errors) == (1, "")
    assert only_object(again)["error"]["code"] == "already_exists"


def test_a_person_reads_text_and_refusals_on_standard_error(cli: Cli) -> None:
    cli.did("provider", "add", "--name", "acme", "--base-url", "http://acme.example")
    listed = cli.run("provider", "list")
    assert listed.output.splitlines()[0].split()[:3] == ["name", "counterparty_id", "base_url"]
    refused = cli.process("provider", "disable", "--name", "nobody")
    assert (refused.status, refused.output) == (1, "")
    assert refused.errors == "error: there is no provider 'nobody' (not_found)\n"


def test_a_secret_holds_an_hour_after_its_rotation_by_default(cli: Cli) -> None:
    cli.did("casino", "add", "--name", "royal", "--api-host", "http://royal.example", "--confirmation", "reply")
    rotated = cli.did("casino", "rotate-secret", "--name", "royal")
    left = datetime.fromisoformat(rotated["previous_secret_until"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < left < timedelta(minutes=61)
    rotated = cli.did("casino", "rotate-secret", "--name", "royal", "--overlap", "0")
    assert datetime.fromisoformat(rotated["previous_secret_until"]) < datetime.now(UTC) + timedelta(minutes=1)
    assert cli.did("casino", "list")["casinos"][0]["previous_secret_until"] is None


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("BETCORE_SECRET_KEY", "", "no_secret_key"),
        ("BETCORE_DATABASE_URL", None, "no_database"),
        ("BETCORE_DATABASE_URL", "nonsense", "database_refused"),
        ("BETCORE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "unreachable"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_said(cli: Cli, name: str, value: str | None, code: str) -> None:
    cli.environment[name] = value
    assert cli.refused("provider", "list")["code"] == code


def test_a_stack_that_is_not_there_any_more_is_one_line(cli: Cli, tmp_path: Path) -> None:
    gone = {"database_url": "postgresql://betcore:x@127.0.0.1:1/betcore", "temporal_address": "127.0.0.1:1"}
    (tmp_path / "stack.json").write_text(json.dumps({"settings": gone}))
    for name in ("BETCORE_DATABASE_URL", "BETCORE_TEMPORAL_ADDRESS"):
        cli.environment[name] = None
    by = ("--operator", "a", "--reason", "b")
    commands = (
        ("ops", "stuck"), ("ops", "owed"), ("ops", "show", "1"), ("ops", "retry", "1", *by), ("verify",),
        ("casino", "list"), ("incident", "list"), ("migrate",), ("play",), ("sandbox", "faults"),
    )  # fmt: skip
    for command in commands:
        ran = cli.run(*command)
        errors = [line for line in ran.errors.splitlines() if line]
        assert (ran.status, len(errors)) == (2 if command == ("verify",) else 1, 1), (command, ran)
        assert errors[0].startswith("error: "), command
    (tmp_path / "stack.json").write_text("{")
    assert cli.refused("ops", "owed")["code"] == "invalid_settings"


def test_a_port_that_there_is_not_is_one_line(cli: Cli) -> None:
    cli.environment["BETCORE_API_PORT"] = "80800"
    error = cli.refused("up")
    assert error["code"] == "invalid_settings"
    assert error["message"].startswith("BETCORE_API_PORT: ")


def test_a_database_that_turns_us_away_is_said(cli: Cli) -> None:
    known = str(cli.environment["BETCORE_DATABASE_URL"])
    cli.environment["BETCORE_DATABASE_URL"] = f"{known}_that_is_not_there"
    error = cli.refused("provider", "list")
    assert error["code"] == "database_refused"
    assert "does not exist" in error["message"]


def test_migrating_makes_one_signing_key(cli: Cli) -> None:
    first = cli.did("migrate")
    assert cli.did("migrate") == first
    assert [key["kid"] for key in cli.did("keys", "list")["keys"]] == [first["signing_key"]]


class Wallet:
    """The players of a sandbox casino, as its control API has them."""

    def __init__(self) -> None:
        self.players: list[dict[str, Any]] = []
        self.secrets: dict[int, str] = {}

    async def find(self, request: web.Request) -> web.Response:
        asked = (int(request.match_info["casino"]), request.match_info["player"])
        known = [(one["partner_client_id"], one["partner_user_id"]) for one in self.players]
        return web.json_response({}, status=200 if asked in known else 404)

    async def open(self, request: web.Request) -> web.Response:
        self.players.append(await request.json())
        return web.json_response({})

    async def learn(self, request: web.Request) -> web.Response:
        told = await request.json()
        self.secrets[int(told["partner_client_id"])] = told["secret"]
        return web.json_response({})


@pytest.fixture
async def wallet() -> AsyncIterator[tuple[Wallet, int]]:
    kept = Wallet()
    app = web.Application()
    app.add_routes([web.get("/_players/{casino}/{player}", kept.find), web.post("/_players", kept.open)])
    app.add_routes([web.post("/_credentials", kept.learn)])
    async with serving(app) as url:
        yield kept, int(url.rpartition(":")[2])


@pytest.fixture
async def moving_provider() -> AsyncIterator[tuple[int, int]]:
    """The sandbox provider at two ports, as after a restart at another one."""
    runner = web.AppRunner(sandbox_provider())
    await runner.setup()
    for _ in range(2):
        await web.TCPSite(runner, "127.0.0.1", 0).start()
    first, second = (address[1] for address in runner.addresses)
    yield first, second
    await runner.cleanup()


async def test_the_sandbox_is_prepared_once_and_found_again(
    cli: Cli, wallet: tuple[Wallet, int], moving_provider: tuple[int, int]
) -> None:
    kept, port = wallet
    here, there = moving_provider
    cli.environment |= {"BETCORE_SANDBOX_CASINO_PORT": str(port), "BETCORE_SANDBOX_PROVIDER_PORT": str(here)}
    first = await asyncio.to_thread(cli.did, "sandbox", "prepare")
    assert set(first) == {"counterparty_id", "secret", "partner_client_id", "session_id"}
    cli.environment["BETCORE_SANDBOX_PROVIDER_PORT"] = str(there)
    assert await asyncio.to_thread(cli.did, "sandbox", "prepare") == first
    assert kept.players == [
        {
            "partner_client_id": first["partner_client_id"],
            "partner_user_id": "demo-player",
            "currency": "EUR",
            "balance": "1000.00",
        }
    ]
    (provider,) = (await asyncio.to_thread(cli.did, "provider", "list"))["providers"]
    assert (provider["name"], provider["base_url"]) == ("sandbox-provider", f"http://127.0.0.1:{there}")
    shown = await asyncio.to_thread(cli.did, "provider", "set-profile", "--name", "sandbox-provider")
    assert shown["profile"]["frame_hosts"] == [f"127.0.0.1:{there}"]
    shown = await asyncio.to_thread(cli.did, "casino", "set-profile", "--name", "sandbox-casino")
    assert shown["profile"]["origins"] == [f"http://127.0.0.1:{port}"]
    rotate = ("casino", "rotate-secret", "--name", "sandbox-casino")
    secret = (await asyncio.to_thread(cli.did, *rotate))["secret"]
    assert set(kept.secrets) == {first["partner_client_id"]}
    assert secret not in kept.secrets.values()
    await asyncio.to_thread(cli.did, "sandbox", "prepare")
    assert kept.secrets == {first["partner_client_id"]: secret}
    await asyncio.to_thread(cli.did, "session", "close", "--session", first["session_id"])
    again = await asyncio.to_thread(cli.did, "sandbox", "prepare")
    assert again["session_id"] != first["session_id"]
    assert again["secret"] == first["secret"]
    for switched_off in (
        ("game", "disable", "--provider", "sandbox-provider", "--game-id", "dice-1"),
        ("provider", "disable", "--name", "sandbox-provider"),
        ("provider", "suspend", "--name", "sandbox-provider"),
        ("casino", "disable", "--name", "sandbox-casino"),
        ("player", "block", "--casino", "sandbox-casino", "--player", "demo-player"),
        ("session", "close", "--session", again["session_id"]),
    ):
        await asyncio.to_thread(cli.did, *switched_off)
    await asyncio.to_thread(cli.did, "sandbox", "prepare")
    (provider,) = (await asyncio.to_thread(cli.did, "provider", "list"))["providers"]
    (casino,) = (await asyncio.to_thread(cli.did, "casino", "list"))["casinos"]
    games = (await asyncio.to_thread(cli.did, "game", "list"))["games"]
    assert [game["game_id"] for game in games] == sorted(game.game_id for game in GAMES)
    switched = [provider["disabled"], provider["suspended"], casino["disabled"], *(game["disabled"] for game in games)]
    assert not any(switched)


async def test_a_sandbox_casino_that_is_down_is_said(cli: Cli, moving_provider: tuple[int, int]) -> None:
    cli.environment["BETCORE_SANDBOX_PROVIDER_PORT"] = str(moving_provider[0])
    cli.environment["BETCORE_SANDBOX_CASINO_PORT"] = "1"
    refusal = await asyncio.to_thread(cli.refused, "sandbox", "prepare")
    assert refusal["code"] == "unreachable"
    assert "casino" in refusal["message"]


def test_what_was_switched_off_is_shown_and_switched_on_again(cli: Cli) -> None:
    add_partners(cli)
    for one in (("provider", "--name", "acme"), ("casino", "--name", "royal")):
        word, *named = one
        assert cli.did(word, "disable", *named)["disabled"] is True
        assert cli.did(word, "show", *named)["disabled"] is True
        assert cli.did(word, "enable", *named)["disabled"] is False
        shown = cli.did(word, "show", *named)
        assert shown["disabled"] is False
        assert shown["profile"] == cli.did(word, "set-profile", *named)["profile"]
        assert "secret" not in json.dumps(shown).replace("previous_secret_until", "")
        assert cli.refused(word, "enable", "--name", "nobody")["code"] == "not_found"
        assert cli.run(word, "show", *named).status == 0
    game = ("--provider", "acme", "--game-id", "dice-1")
    assert cli.did("game", "disable", *game)["disabled"] is True
    assert cli.did("game", "show", *game)["disabled"] is True
    assert cli.did("game", "enable", *game) == cli.did("game", "show", *game)
    assert cli.did("game", "show", *game)["disabled"] is False
    assert cli.refused("game", "enable", "--provider", "acme", "--game-id", "none")["code"] == "not_found"
    seat = ("--provider", "acme", "--casino", "royal", "--game", "dice-1", "--player", "p1", "--currency", "EUR")
    assert cli.did("provider", "suspend", "--name", "acme")["suspended"] is True
    assert cli.refused("session", "open", *seat)["code"] == "provider_suspended"
    assert cli.did("provider", "resume", "--name", "acme")["suspended"] is False
    cli.did("session", "open", *seat)


def test_a_key_is_listed_rotated_and_revoked(cli: Cli) -> None:
    first = cli.did("migrate")["signing_key"]
    rotated = cli.did("keys", "rotate")
    second = rotated["kid"]
    listed_first = datetime.fromisoformat(rotated["signs_from"]) - datetime.fromisoformat(rotated["created_at"])
    assert timedelta(seconds=955) < listed_first < timedelta(seconds=965)
    assert cli.did("keys", "rotate", "--casino-cache", "60") == rotated
    assert [(key["kid"], key["state"], key["signs"], key["listed"]) for key in cli.did("keys", "list")["keys"]] == [
        (second, "next", False, True),
        (first, "signing", True, True),
    ]
    assert cli.did("keys", "revoke", first) == {"revoked": first, "signing_key": second}
    third = cli.did("keys", "revoke", second)["signing_key"]
    assert [(key["kid"], key["state"], key["signs"], key["listed"]) for key in cli.did("keys", "list")["keys"]] == [
        (third, "signing", True, True),
        (second, "revoked", False, False),
        (first, "revoked", False, False),
    ]
    # A thumbprint may begin with a dash.
    for unknown in ("none", "-J-VD8SHmOqIww4DtddYFUcbnUkF0Zc_woFry", "--VD8SHmOqIww4DtddYFUcbnUkF0Zc_woFry"):
        assert cli.refused("keys", "revoke", unknown)["code"] == "not_found"
    assert cli.did("migrate")["signing_key"] == third
