"""``python -m betcore verify``: what must always be true of bets, workflows and casinos' books."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli.context import parse_time
from betcore.cli.output import AsJson, DataDir, emit, read_settings, reporting_errors

if TYPE_CHECKING:
    from betcore.runtime.settings import Settings
    from betcore.verify.report import OnProgress, Report
    from betcore.verify.report import Progress as ProgressReport
    from betcore.verify.run import ProviderBook
    from betcore.verify.sources import Scope

app = typer.Typer()
SHOWN = 50  # violations in a list for a person


class Books(StrEnum):
    """How casinos' books are read."""

    AUTO = "auto"
    JOURNAL = "journal"
    INFO = "info"
    NONE = "none"


AskCasinos = Annotated[Books, typer.Option(help="How casinos are asked; auto: the sandbox's journal, else info.")]
NoTemporal = Annotated[bool, typer.Option("--no-temporal", help="Leave out the checks that need Temporal.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Bets opened then or later (UTC).")]


@app.command()
def verify(
    casino: AskCasinos = Books.AUTO,
    no_temporal: NoTemporal = False,
    since: Since = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Check that every bet fits together with its movements, its workflow, and the casino's book.

    Reads only, and may run beside a live system. Exits with status 1 if anything is violated, with 2 if nothing is but
    something could not be checked.
    """
    check(casino, no_temporal, since, (), as_json, data_dir)


def check(
    casino: Books,
    no_temporal: bool,
    since: str | None,
    books: "Sequence[ProviderBook]",
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """Print the report on what is in scope, and exit with its status."""
    from betcore.verify.sources import Scope

    try:
        with reporting_errors(as_json):
            opened_from = parse_time("since", since) if since else None
            scope = Scope(casino.value, not no_temporal, books, opened_from)
            report = asyncio.run(_verified(read_settings(data_dir), scope))
            emit(report.as_json(), as_json, "" if as_json else _as_text(report))
    except typer.Exit:
        # Refused: not everything was checked.
        raise typer.Exit(2) from None
    raise typer.Exit(report.exit_code)


async def _verified(settings: "Settings", scope: "Scope") -> "Report":
    from betcore.db.database import DatabaseError
    from betcore.domain.errors import FailureCode, Unavailable
    from betcore.verify.run import verify as report_on
    from betcore.verify.sources import open_sources

    try:
        async with open_sources(settings, scope) as sources:
            with _progress() as on_progress:
                return await report_on(sources, on_progress)
    except DatabaseError as failure:
        code: FailureCode = "unreachable" if failure.unreachable else "database_refused"
        raise Unavailable(f"database: {failure}", code=code) from failure


@contextmanager
def _progress() -> "Iterator[OnProgress]":
    """Show the progress of each part on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        tasks: dict[str, TaskID] = {}

        def on_progress(progress: "ProgressReport") -> None:
            if progress.what not in tasks:
                tasks[progress.what] = shown.add_task(progress.what, total=None)
            shown.update(tasks[progress.what], completed=progress.done, total=progress.total)

        yield on_progress


def _as_text(report: "Report") -> str:
    from betcore.verify.report import as_text

    lines = [as_text(report.checks)]
    for one in report.violations[:SHOWN]:
        bet = f"bet {one.bet_id or '-'} ({one.provider}/{one.provider_bet_id})" if one.provider_bet_id else "no bet"
        if one.bet_id and not one.provider_bet_id:
            bet = f"bet {one.bet_id}"
        lines.append(f"VIOLATED {one.check}: {bet}: {one.what}")
    if report.total > SHOWN:
        lines.append(f"... {report.total} in all; --json names up to a thousand of each check")
    verdict = {0: "all holds", 1: f"{report.total} violations", 2: "nothing is violated, but not all was looked at"}
    return "\n".join([*lines, f"{verdict[report.exit_code]} ({report.seconds} s)"])
