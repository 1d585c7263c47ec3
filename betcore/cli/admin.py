"""``python -m betcore admin ...``: what persons have changed of the configuration."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from betcore.cli import formatting
from betcore.cli.context import CommandContext, Json, parse_time, run_command
from betcore.cli.output import AsJson, DataDir

admin = typer.Typer(no_args_is_help=True, help="What persons have changed of the configuration.")


# A group of commands, although it has one only.
@admin.callback()
def _group() -> None: ...


@admin.command("events")
def events(
    since: Annotated[str | None, typer.Option("--since", help="From this day or time (UTC) on: 2026-11-22.")] = None,
    of: Annotated[
        str | None, typer.Option("--of", help="Of this provider or casino and what it has, or of this game, key, ...")
    ] = None,
    before: Annotated[int | None, typer.Option("--before", help="Older than this event: the next page.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this number.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List changes of the configuration, newest first: who, when, what, and both values; secrets as fingerprints."""

    async def work(context: CommandContext) -> Json:
        from betcore.db.admin_events import AdminEvents

        after = None if since is None else parse_time("since", since)
        found = await AdminEvents(context.database).listed(since=after, of=of, before=before, limit=limit)
        return {"events": found}

    run_command(as_json, data_dir, work, _listing)


def _listing(found: Json) -> str:
    return formatting.table(
        [
            {
                "event_id": one["event_id"],
                "at": one["at"],
                "operator": one["operator"] or f"(role {one['role']})",
                "what": f"{one['action']} {one['subject']} {one['name']}",
                "changes": ", ".join(_changes(one["old"] or {}, one["new"] or {})),
            }
            for one in found["events"]
        ]
    )


def _changes(old: Mapping[str, object], new: Mapping[str, object], path: str = "") -> Iterator[str]:
    """Yield the values that differ, each by its path; of nested ones, such as a profile, the innermost."""
    for name in {**old, **new}:
        was, becomes = old.get(name), new.get(name)
        if isinstance(was, dict) and isinstance(becomes, dict):
            yield from _changes(was, becomes, f"{path}{name}.")
        elif was != becomes:
            after = formatting.plain(becomes)
            yield f"{path}{name} {after}" if name not in old else f"{path}{name} {formatting.plain(was)} -> {after}"
