"""The root of the command line: what is listed exists, and listing it imports nothing heavy."""

import subprocess
import sys
from importlib import import_module

import pytest

from betcore.cli.main import COMMANDS, DEVKIT, Row, commands

_HEAVY = ("aiohttp", "asyncpg", "betcore.runtime.settings", "fastapi", "sqlalchemy", "temporalio")


@pytest.mark.parametrize("row", [*COMMANDS.values(), *DEVKIT.values()], ids=lambda row: row.where)
def test_every_command_is_in_the_module_of_the_table(row: Row) -> None:
    module, _, attribute = row.where.partition(":")
    assert callable(getattr(import_module(module), attribute))


@pytest.mark.parametrize("arguments", [["--help"], ["up", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from betcore.cli.main import app\n"
        f"app({arguments!r}, standalone_mode=False)\n"
        f"print('loaded:', [name for name in {_HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_help_lists_every_command() -> None:
    done = subprocess.run([sys.executable, "-m", "betcore", "--help"], capture_output=True, text=True, check=True)
    assert [name for name in commands() if f"│ {name} " not in done.stdout] == []
