"""Every command that changes the configuration records that with its operator; every other one is known not to."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import click
import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from betcore.cli.main import COMMANDS, app
from betcore.cli.main import _load as load

_GAME = "--provider acme --game-id dice-1"
_JACKPOT = "--casino royal --name Grand --provider acme --currency EUR --share 0.01 --game-id dice-1"
# In this order. What stands in braces is of what an earlier command has printed.
CHANGES = (
    ("provider add", "--name acme --base-url http://acme.example"),
    ("casino add", "--name royal --api-host http://royal.example --confirmation reply"),
    ("game add", f"{_GAME} --name Dice --currency EUR --min-bet 0.10"),
    ("provider set-profile", "--name acme --profile {profile}"),
    ("casino set-profile", "--name royal --api-host http://new.example"),
    *((f"{partner} rotate-secret", f"--name {name}") for partner, name in (("provider", "acme"), ("casino", "royal"))),
    *((f"provider {verb}", "--name acme") for verb in ("disable", "enable", "suspend", "resume")),
    *((f"casino {verb}", "--name royal") for verb in ("disable", "enable")),
    *((f"game {verb}", _GAME) for verb in ("disable", "enable")),
    ("casino set-limits", "--name royal --currency EUR --max-bet 100"),
    ("game set-limits", f"{_GAME} --currency JPY --min-bet 10"),
    ("session open", "--provider acme --casino royal --game dice-1 --player p1 --currency EUR"),
    ("session close", "--session {session_id}"),
    *((f"player {verb}", "--casino royal --player p1") for verb in ("block", "unblock")),
    ("jackpot add", _JACKPOT),
    ("jackpot adjust", "{jackpot_id} --amount 5 --reason gift"),
    ("jackpot disable", "{jackpot_id}"),
    ("live add", "--game-type 3 --provider acme --name-key draw --betting-seconds 15"),
    ("live maintenance", "3 --on"),
    ("live disable", "3"),
    ("keys rotate", ""),
    ("keys revoke", "{kid}"),
)
# They need a provider that answers, and bets that ended long ago: test_catalogue_sync.py, test_archive.py.
SHOWN_ELSEWHERE = {"archive run", "game sync"}
READS = {
    "archive": ("list", "check"),
    "provider": ("list", "show"),
    "casino": ("list", "show"),
    "game": ("list", "show"),
    "jackpot": ("list", "show"),
    "live": ("list", "show", "check"),
    "keys": ("list",),
    "cashback": ("list", "explain", "rule list", "rule runs"),
    "incident": ("list", "show"),
    "admin": ("events",),
    "ops": ("reconcile", "show", "stuck", "owed", "review list"),
    "release": ("show", "wait"),
    "replay": (),
    "verify": (),
}
# What they do is in the history of the bet, the cashback, the round or the releases. A token is stored nowhere.
HAVE_A_HISTORY = {
    "live": ("cancel",),
    "cashback": ("import", "issue", "cancel", "rule run"),
    "ops": (
        "retry",
        "void",
        "settle",
        "release",
        "refuse",
        "review release",
        "mark-paid",
        "mark-taken",
        "mark-not-taken",
    ),
    "release": ("ramp", "set", "roll-back", "reset"),
    "codec": ("token",),
    "migrate": (),
}


def leaves(command: Any, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command below a group, by its whole name."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for part, below in command.commands.items():
        yield from leaves(below, f"{name} {part}")


ALL = {name: command for group, row in COMMANDS.items() for name, command in leaves(load(row.where), group)}


def names(groups: dict[str, tuple[str, ...]]) -> set[str]:
    return {f"{group} {verb}" for group, verbs in groups.items() for verb in verbs} | {
        group for group, verbs in groups.items() if not verbs
    }


def test_of_every_command_it_is_known_whether_it_changes_the_configuration() -> None:
    """A command that is missing here: put it into ``CHANGES`` if it changes the configuration, or where it belongs."""
    others = names(READS) | names(HAVE_A_HISTORY)
    changes = {name for name, _ in CHANGES} | SHOWN_ELSEWHERE
    assert set(ALL) == others | changes
    assert not others & changes


@pytest.mark.edge_case(260)
def test_a_change_names_its_operator() -> None:
    nameless = [name for name, _ in CHANGES if not any("--operator" in one.opts for one in ALL[name].params)]
    assert nameless == []


@pytest.mark.edge_case(260)
def test_every_change_is_recorded_with_its_operator(database_url: str, tmp_path: Path) -> None:
    profile = tmp_path / "acme.yaml"
    profile.write_text("order_window: 7.5")
    keys = {"BETCORE_DATABASE_URL": database_url, "BETCORE_SECRET_KEY": Fernet.generate_key().decode()}
    runner, given = CliRunner(env=keys | {"BETCORE_DATA_DIR": str(tmp_path)}), {"profile": str(profile)}

    def run(command: str, *by: str) -> None:
        ran = runner.invoke(app, [*command.format_map(given).split(), *by, "--json"])
        assert ran.exit_code == 0, (command, ran.output)
        given.update({name: str(value) for name, value in json.loads(ran.stdout).items()})

    async def recorded() -> int:
        connection = await asyncpg.connect(database_url)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM admin_event WHERE operator = 'ann'"))
        finally:
            await connection.close()

    run("migrate")
    unrecorded = []
    for name, options in CHANGES:
        if name == "jackpot adjust":
            run(f"{name} {options}", "--operator", "ben")
        before = asyncio.run(recorded())
        run(f"{name} {options}", "--operator", "ann")
        if asyncio.run(recorded()) == before:
            unrecorded.append(name)
    assert unrecorded == []
