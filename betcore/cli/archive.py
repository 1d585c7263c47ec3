"""``python -m betcore archive ...``: move the events of bets that ended long ago into files, and check such files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli import formatting
from betcore.cli.context import CommandContext, Json, run_command
from betcore.cli.output import AsJson, DataDir, Operator
from betcore.domain.archives import DAYS_AT_LEAST

if TYPE_CHECKING:
    from betcore.db.archives import Archives
    from betcore.domain.archives import Archive

archive = typer.Typer(no_args_is_help=True, help="Files with the events of bets that ended long ago: run, list, check.")


@archive.command("run")
def run(
    folder: Annotated[Path, typer.Option("--folder", help="Folder for the files; no other run uses it meanwhile.")],
    operator: Operator,
    days: Annotated[
        int, typer.Option("--days", min=DAYS_AT_LEAST, help="Of bets that have been at rest for so many days.")
    ] = 90,
    write_only: Annotated[
        bool, typer.Option("--write-only", help="Leave the events in the database too, for the next run to delete.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Write events into files, read those again, and then delete the events; finish first what a killed run has left.

    Bets that are open, owed or have an incident keep their events.
    """
    from betcore.archive.settings import ArchiveSettings

    async def work(context: CommandContext) -> Json:
        from betcore.archive.archiving import Archiving
        from betcore.runtime import failpoints

        failpoints.configure(context.settings.failpoints)
        done = [one async for one in Archiving(_archives(context), folder).run(days, write_only=write_only)]
        return {"archives": [_as_json(one.archive) | {"deleted": one.left} for one in done]}

    run_command(as_json, data_dir, work, _done, operator=operator, kind=ArchiveSettings)


@archive.command("list")
def list_archives(
    before: Annotated[int | None, typer.Option("--before", help="Older than this archive: the next page.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this number.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List archives, newest first."""

    async def work(context: CommandContext) -> Json:
        found = await _archives(context).listed(before, limit)
        return {"archives": [_as_json(one) for one in found]}

    run_command(as_json, data_dir, work, _listing)


@archive.command("check")
def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file that `archive run` has written, under its name.")
    ],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Read a file whole, and compare it with what the database knows of it. Exits with status 1 if it differs."""

    async def work(context: CommandContext) -> Json:
        from betcore.archive.checking import check as compare

        found = await compare(_archives(context), file)
        return {"archive_id": found.archive.archive_id, "file": str(file), "bets": found.bets, "events": found.events}

    run_command(as_json, data_dir, work, lambda found: f"{found['file']} is as it was archived: {_count(found)}")


def _archives(context: CommandContext) -> "Archives":
    from betcore.db.archives import Archives

    return Archives(context.database)


def _as_json(one: "Archive") -> Json:
    return {
        "archive_id": one.archive_id,
        "name": one.name,
        "sha256": one.sha256,
        "size": one.size,
        "bets": one.bets,
        "events": one.events,
        "first_bet_id": one.first_bet_id,
        "last_bet_id": one.last_bet_id,
        "operator": one.operator,
        "written_at": one.written_at.isoformat(),
        "emptied_at": one.emptied_at and one.emptied_at.isoformat(),
    }


def _done(found: Json) -> str:
    lines = [f"{one['name']}: {_count(one)}, {one['deleted']} deleted" for one in found["archives"]]
    return "\n".join(lines) or "no bet has been at rest for so long"


def _count(one: Json) -> str:
    return f"{one['events']} events of {one['bets']} bets"


def _listing(found: Json) -> str:
    names = ("archive_id", "name", "bets", "events", "size", "operator", "written_at", "emptied_at")
    return formatting.table([{name: one[name] for name in names} for one in found["archives"]])
