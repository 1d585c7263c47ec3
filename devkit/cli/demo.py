"""``python -m betcore demo``: start the stack, play a few bets, and show the result of each."""

import asyncio
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli.output import read_settings, reporting_errors
from devkit.cli.up import starting

if TYPE_CHECKING:
    from devkit.stack.up import Ready

app = typer.Typer()
_DATA_DIR = typer.Option(envvar="BETCORE_DATA_DIR", help="Folder of the stack's databases, logs and keys.")


class _Over(Exception):
    """The bets are played, and the stack is to end."""


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop the stack when the bets are played.")] = False,
    data_dir: Annotated[Path, _DATA_DIR] = Path(".betcore"),
) -> None:
    """Start the whole stack, play a set of bets, and leave it up until Ctrl-C.

    Exits with status 1 if a bet did not end as it must, or if a signal ended the run before that was known.
    """
    from devkit.play.demo import perform as play  # here: `demo --help` starts faster without
    from devkit.play.demo import stage_console
    from devkit.stack.folder import Folder
    from devkit.stack.up import run

    console = stage_console()
    verdict: list[bool] = []

    async def perform(ready: "Ready") -> None:
        verdict.append(await play(console, read_settings(data_dir), asdict(ready)))
        if once:
            raise _Over
        where = f"API {ready.api_inner}/docs, Temporal UI {ready.temporal_ui}, lobby {ready.lobby}"
        console.print(f"\nThe stack is up: {where}. Ctrl-C stops it.", soft_wrap=True, highlight=False)

    print(starting(data_dir), file=sys.stderr, flush=True)
    with reporting_errors(as_json=False), suppress(_Over):
        asyncio.run(run(lambda: read_settings(data_dir), Folder(data_dir), perform))
    if verdict != [True]:
        raise typer.Exit(1)
