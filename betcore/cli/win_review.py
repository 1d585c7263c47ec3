"""``python -m betcore ops review ...``: wins in review, many at once."""

from pathlib import Path
from typing import Annotated

import typer

from betcore.cli import formatting
from betcore.cli.context import CommandContext, Json, parse_time, run_command
from betcore.cli.output import AsJson, DataDir, Operator, Reason

review = typer.Typer(no_args_is_help=True, help="Wins in review, many at once: list, release.")


@review.command("list")
def list_wins(
    provider: Annotated[str | None, typer.Option("--provider", help="Of this provider.")] = None,
    game: Annotated[str | None, typer.Option("--game", help="Of games with this id of their provider.")] = None,
    casino: Annotated[str | None, typer.Option("--casino", help="Of this casino.")] = None,
    limit_alone: Annotated[
        str | None, typer.Option("--limit-alone", help="Beyond this limit and no other: max_win, max_odd, ...")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help="Held from this day or time (UTC) on.")] = None,
    max_amount: Annotated[
        str | None, typer.Option("--max-amount", help="Of at most this amount, such as 'EUR 500.00'; none with a pool.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this number.")] = 1000,
    save: Annotated[Path | None, typer.Option("--save", help="A new file for the set, to release it.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List wins in review, and save them as a set that two operators can release."""

    async def work(context: CommandContext) -> Json:
        from betcore.cli.win_review_actions import listed
        from betcore.db.held_wins import Wanted
        from betcore.domain.money import Money

        most = None
        if max_amount is not None:
            currency, _, amount = max_amount.partition(" ")
            most = Money.parse(amount, currency)
        held_from = None if since is None else parse_time("since", since)
        return await listed(context, Wanted(provider, game, casino, limit_alone, held_from, most), limit, save)

    run_command(as_json, data_dir, work, _listing)


@review.command("release")
def release_wins(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The set, as `ops review list --save` has written it.")],
    operator: Operator,
    reason: Reason,
    of_set: Annotated[str | None, typer.Option("--set", help="Only if the file is this set.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Pay the wins of a set, once two operators have asked for exactly this set; status 1 if one was not asked for."""
    whole = False

    async def work(context: CommandContext) -> Json:
        from betcore.cli.win_review_actions import release

        nonlocal whole
        done = await release(context, file, operator, reason, of_set)
        whole = not (done["refused"] or done["unknown"] or done["left"])
        return done

    run_command(as_json, data_dir, work, _outcome)
    if not whole:
        raise typer.Exit(1)


def _listing(found: Json) -> str:
    parts = [formatting.table(found["wins"])]
    if found["more"]:
        parts.append("there are more: raise --limit")
    if found["file"]:
        parts.append(f"{found['file']} is the set {found['set_id']} of {len(found['wins'])} wins")
    return "\n\n".join(parts)


def _outcome(done: Json) -> str:
    names = ("released", "proposed", "refused", "unknown", "left")
    parts = [", ".join(f"{done[name]} {name}" for name in names if done[name])]
    others = [one for one in done["wins"] if one["outcome"] in ("refused", "unknown", "left")]
    if others:
        parts.insert(0, formatting.table(others))
    if done["proposed"]:
        parts.append(
            "within an hour a second operator, who has looked at the same wins, runs\n"
            f"  python -m betcore ops review release {done['file']} --set {done['set_id']} \\\n"
            "      --operator NAME --reason TEXT"
        )
    return "\n\n".join(parts)
