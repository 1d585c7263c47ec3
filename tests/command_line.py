"""Commands of ``python -m betcore``, run in this process: another one takes a second to import the service."""

import asyncio
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from betcore.cli.main import app


async def run(folder: Path, *arguments: str, **environment: str) -> Result:
    """Run a command at the stack of a data folder, and return what it printed and its exit status."""
    command = [*arguments, "--data-dir", str(folder)]
    result = await asyncio.to_thread(CliRunner(env=environment).invoke, app, command)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result
