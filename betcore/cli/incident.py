"""``python -m betcore incident ...``."""

from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli import formatting
from betcore.cli.context import CommandContext, Json, parse_time, run_command
from betcore.cli.output import AsJson, DataDir

if TYPE_CHECKING:
    from betcore.db.incidents import Incidents

incident = typer.Typer(no_args_is_help=True, help="Incidents: two parties disagree about a bet.")


@incident.command("list")
def list_incidents(
    kind: Annotated[str | None, typer.Option("--kind", help="Of this kind alone, such as different_data.")] = None,
    bet_id: Annotated[int | None, typer.Option("--bet-id", help="Of the bet with this number of ours.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Of this provider's bets.")] = None,
    bet: Annotated[str | None, typer.Option("--bet", help="Of the bet with this id of the provider's.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="From this day or time (UTC) on: 2026-11-22.")] = None,
    before: Annotated[int | None, typer.Option("--before", help="Older than this incident: the next page.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this number.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List incidents, newest first."""

    async def work(context: CommandContext) -> Json:
        found = await _incidents(context).listed(
            kind=kind,
            bet_id=bet_id,
            provider=provider,
            provider_bet_id=bet,
            since=None if since is None else parse_time("since", since),
            before=before,
            limit=limit,
        )
        return {"incidents": found}

    run_command(as_json, data_dir, work, _listing)


@incident.command("show")
def show_incident(
    incident_id: Annotated[int, typer.Argument(metavar="ID", help="The incident's number, as in the list.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show one incident: the facts of both parties, and the bet as it is now."""

    async def work(context: CommandContext) -> Json:
        return await _incidents(context).shown(incident_id)

    run_command(as_json, data_dir, work, _as_text)


def _incidents(context: CommandContext) -> "Incidents":
    from betcore.db.incidents import Incidents

    return Incidents(context.database)


def _listing(found: Json) -> str:
    return formatting.table([row | {"differs": ", ".join(row["differs"]) or None} for row in found["incidents"]])


def _as_text(found: Json) -> str:
    head = f"incident {found['incident_id']}, {formatting.time(found['at'])} UTC: {found['kind']}"
    parts = [head if found["meaning"] is None else f"{head}\n{found['meaning']}", _side_by_side(found)]
    return (
        "\n\n".join([*parts, *formatting.bet(found)])
        if found["bet"] or "cashback" in found
        else "\n\n".join([*parts, "there is no row of its bet"])
    )


def _side_by_side(found: Json) -> str:
    """Return both parties' facts by name, with an exclamation mark before each difference."""
    ours, theirs, differs = found["ours"], found["theirs"], found["differs"]
    # What differs first, then what both name alike, then what one side alone names.
    names = sorted(ours | theirs, key=lambda name: (name not in differs, name not in ours or name not in theirs))
    rows = [
        {" ": "!" if name in differs else " ", "what": name, "ours": ours.get(name), "theirs": theirs.get(name)}
        for name in names
    ]
    return formatting.table(rows) if differs else f"{formatting.table(rows)}\n(nothing that both sides name differs)"
