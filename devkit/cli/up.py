"""``python -m betcore up``: the whole stack on this machine, until Ctrl-C."""

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli.output import AsJson, emit, read_settings, reporting_errors

if TYPE_CHECKING:
    from devkit.stack.up import Ready

_DATA_DIR = typer.Option(envvar="BETCORE_DATA_DIR", help="Folder of its databases, logs and keys; made if missing.")


def up(
    data_dir: Annotated[Path, _DATA_DIR] = Path(".betcore"),
    sandbox: Annotated[bool, typer.Option(help="Run the sandbox casino and the sandbox provider too.")] = True,
    processes: Annotated[int, typer.Option(min=0, help="Worker processes; 0 if you run worker.py yourself.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Start PostgreSQL, Temporal, API, feed, workers and the sandbox partners, and keep them alive until Ctrl-C."""
    from devkit.stack.folder import Folder  # here: `up --help` starts faster without
    from devkit.stack.up import run

    async def announce(ready: "Ready") -> None:
        if as_json:
            emit(asdict(ready), as_json=True)
        else:
            _show(ready, data_dir)

    if not as_json:
        print(starting(data_dir), file=sys.stderr, flush=True)
    with reporting_errors(as_json):
        asyncio.run(
            run(
                lambda: read_settings(data_dir),
                Folder(data_dir),
                announce,
                with_sandbox=sandbox,
                processes=processes,
            )
        )


def starting(data_dir: Path) -> str:
    """Return what a command says before it starts the stack."""
    return f"starting the stack; its logs are in {data_dir / 'logs'}"


def _show(ready: "Ready", data_dir: Path) -> None:
    from rich.console import Console

    from devkit.cli.sandbox import PLAYER

    rows = {
        "API": f"{ready.api} (its calls: {ready.api_inner}/docs)",
        "Feed": f"{ready.feed} (its calls: {ready.feed_inner}/docs)",
        "Metrics": ", ".join(f"{one}/metrics" for one in (ready.api_inner, ready.feed_inner, *ready.workers)),
        "Temporal UI": ready.temporal_ui,
        "Codec server": ready.codec,
        "Temporal": ready.temporal,
        "PostgreSQL": ready.database,
        "Lobby": ready.lobby and f"{ready.lobby} (log in as {PLAYER})",
        "Live games": ready.live,
        "Sandbox casino": ready.sandbox_casino,
        "Sandbox provider": ready.sandbox_provider,
        "CounterpartyId": ready.counterparty_id,
        "Secret": ready.secret,
        "PartnerClientId": ready.partner_client_id,
        "SessionId": ready.session_id,
        "Logs": (data_dir / "logs").absolute(),
    }
    console = Console(soft_wrap=True, highlight=False)
    console.print("[bold]The stack is up[/bold]")
    for name, value in rows.items():
        if value is not None:
            console.print(f"  [bold]{name:<17}[/bold]", value)
    console.print("Ctrl-C stops everything; the data stays.")
