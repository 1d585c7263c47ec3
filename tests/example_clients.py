"""The example clients of examples/ as processes: how each language starts them, and whether the machine has it."""

import asyncio
import os
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
LANGUAGES = ("python", "node", "php")
_ENDS = {"python": "py", "node": "mjs", "php": "php"}
_PHP_NEEDS = {"curl", "openssl", "pdo_sqlite"}


def command(language: str, name: str, *arguments: str, folder: Path = FOLDER) -> list[str]:
    """Return the command that runs an example of a folder. Skips the test if the machine lacks the language."""
    if (missing := _missing(language)) is not None:
        pytest.skip(missing)
    binary = sys.executable if language == "python" else language
    return [binary, str(folder / language / f"{name}.{_ENDS[language]}"), *arguments]


@cache
def _missing(language: str) -> str | None:
    """Return what the machine lacks to run the examples of a language."""
    if language == "python":
        return None
    if shutil.which(language) is None:
        return f"{language} is not installed"
    version = _output(language, "--version").lower()
    if language == "node":
        return None if int(version.strip().lstrip("v").split(".")[0]) >= 20 else f"node is {version.strip()}, not 20"
    lacking = _PHP_NEEDS - set(_output("php", "-m").lower().split())
    return f"php lacks {', '.join(sorted(lacking))}" if lacking else None


def _output(*asked: str) -> str:
    return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout


def environment(**settings: object) -> dict[str, str]:
    """Return the environment of an example with its settings."""
    # The service's own settings are none of theirs; bytecode would lie beside the examples.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BETCORE_")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **{name: str(value) for name, value in settings.items()}}


async def run(line: list[str], settings: Mapping[str, str], within: float = 120) -> list[str]:
    """Run an example to its end, and return the lines that it printed. Raises AssertionError if it failed."""
    process = await asyncio.create_subprocess_exec(*line, env=dict(settings), stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(within):
            printed, _ = await process.communicate()
    finally:
        await _stop(process)
    assert process.returncode == 0, printed.decode()
    return printed.decode().splitlines()


@asynccontextmanager
async def running(line: list[str], settings: Mapping[str, str], log: Path) -> AsyncIterator[None]:
    """Run an example that serves, with its output in a file, and stop it at the end."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(*line, env=dict(settings), stdout=output, stderr=STDOUT)
    try:
        yield
        assert process.returncode is None, f"it ended by itself: {log}"
    finally:
        await _stop(process)


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()
