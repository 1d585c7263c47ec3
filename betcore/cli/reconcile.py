"""``python -m betcore ops reconcile``: compare our bets with a casino's book, and report what differs."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from betcore.cli.context import CommandContext, Json, parse_time, run_command
from betcore.cli.output import AsJson, DataDir
from betcore.domain.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from betcore.db.reconciliations import Reconciliations
    from betcore.domain.reconciliation import Reconciled, Wanted

_LOOK_EVERY = timedelta(seconds=0.5)
COLUMNS = (
    *("finding_id", "bet_id", "provider", "provider_bet_id", "transaction_type", "kind", "outcome", "at"),
    *("ours", "theirs"),
)


def reconcile(
    casino: Annotated[str, typer.Option("--casino", help="The casino's name.")],
    opened_from: Annotated[str, typer.Option("--from", metavar="TIME", help="Bets opened then or later (UTC).")],
    opened_to: Annotated[
        str, typer.Option("--to", metavar="TIME", help="Bets opened before this time, which must be past.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder for the two reports.")] = Path(),
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Compare our bets of a window with a casino's book; all findings go to a JSON and a CSV file.

    Joins a run of the same window that has not ended. Exits with status 1 if a finding is left to an operator.
    """
    incidents = 0

    async def work(context: CommandContext) -> Json:
        nonlocal incidents
        done = await _reconciled(context, casino, parse_time("from", opened_from), parse_time("to", opened_to), out)
        incidents = done["outcomes"].get("incident", 0)
        return done

    run_command(as_json, data_dir, work, _as_text)
    if incidents:
        raise typer.Exit(1)


async def _reconciled(
    context: CommandContext, casino: str, opened_from: datetime, opened_to: datetime, out: Path
) -> Json:
    from betcore.db.reconciliations import Reconciliations
    from betcore.temporal.client import connect

    runs = Reconciliations(context.database)
    wanted = await runs.wanted(casino, opened_from, opened_to)
    _writable(out)
    try:
        client = await connect(context.settings)
    except RuntimeError as error:
        raise Unavailable(f"Temporal: {error}", code="unreachable") from error
    handle = await _started(client, wanted)
    async with _progress(runs, wanted.workflow_id):
        result = await _result(handle)
    head = {
        "reconciliation_id": result.reconciliation_id,
        "casino": casino,
        "from": opened_from.isoformat(),
        "to": opened_to.isoformat(),
        "bets": result.bets,
        "compared": result.compared,
        "coverage": f"{result.compared} of {result.bets} bets compared",
        "kinds": result.kinds,
        "outcomes": result.outcomes,
    }
    return head | {"files": [str(file) for file in await _write(runs, out, head)]}


async def _started(client: "Client", wanted: "Wanted") -> "WorkflowHandle[Any, Reconciled]":
    from temporalio.service import RPCError

    from betcore.domain.reconciliation import Reconciled
    from betcore.temporal.schedules import start_reconciliation

    try:
        await start_reconciliation(client, wanted)
    except RPCError as error:
        raise Unavailable(f"Temporal: {error}", code="unreachable") from error
    return client.get_workflow_handle(wanted.workflow_id, result_type=Reconciled)


async def _result(handle: "WorkflowHandle[Any, Reconciled]") -> "Reconciled":
    from temporalio.client import WorkflowFailureError

    try:
        return await handle.result()
    except WorkflowFailureError as error:
        raise Unavailable(f"the run was ended from outside: {error.cause}", code="ended") from error


@asynccontextmanager
async def _progress(runs: "Reconciliations", workflow_id: str) -> AsyncIterator[None]:
    """Show on standard error how far a run is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("waiting for a worker", total=None)

        async def follow() -> None:
            while True:
                run = await runs.run_of(workflow_id)
                if run is not None:
                    what = "bets compared" if run.compared < run.bets else "second look"
                    shown.update(task, description=what, total=run.bets, completed=run.compared)
                await asyncio.sleep(_LOOK_EVERY.total_seconds())

        following = asyncio.create_task(follow())
        try:
            yield
        finally:
            following.cancel()


async def _write(runs: "Reconciliations", out: Path, head: Json) -> list[Path]:
    """Write both reports, a page of findings at a time; each file takes its name when it is complete."""
    number = head["reconciliation_id"]
    files = [out / f"reconciliation-{number}.{ending}" for ending in ("json", "csv")]
    parts = [file.with_suffix(f"{file.suffix}.part") for file in files]
    with parts[0].open("w", encoding="utf-8") as report, parts[1].open("w", encoding="utf-8", newline="") as table:
        lines = csv.writer(table)
        lines.writerow(COLUMNS)
        report.write(json.dumps(head)[:-1] + ', "findings": [')
        comma = "\n"
        async for finding in runs.findings(number):
            report.write(comma + json.dumps(finding))
            lines.writerow([_cell(finding[name]) for name in COLUMNS])
            comma = ",\n"
        report.write("\n]}\n")
    for part, file in zip(parts, files, strict=True):
        part.replace(file)
    return files


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value


def _writable(folder: Path) -> None:
    """Check that reports can be written, before anything is started. Raises InvalidInput (``invalid_folder``)."""
    probe = folder / ".reconciliation.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InvalidInput(f"out: {folder}: {error.strerror}", code="invalid_folder") from None


def _as_text(done: Json) -> str:
    lines = [f"reconciliation {done['reconciliation_id']}: {done['coverage']}", _counted("kinds", done["kinds"])]
    lines += [_counted("outcomes", done["outcomes"]), *(f"written: {file}" for file in done["files"])]
    if done["outcomes"].get("incident"):
        lines.append("incidents are left to an operator: python -m betcore incident list")
    return "\n".join(lines)


def _counted(name: str, counts: Mapping[str, int]) -> str:
    return f"{name}: {', '.join(f'{kind} {count}' for kind, count in sorted(counts.items())) or 'none'}"
