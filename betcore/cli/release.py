"""``python -m betcore release ...``: which release of the worker gets work, and what to do about a wrong one."""

from typing import Annotated

import typer

from betcore.cli import formatting
from betcore.cli.context import Json, run_command
from betcore.cli.output import AsJson, DataDir, Operator, Reason

release = typer.Typer(no_args_is_help=True, help="Releases of the worker: which of them gets work.")

Named = Annotated[str, typer.Argument(metavar="RELEASE", help="A release, as `release show` lists it.")]
Chosen = Annotated[str | None, typer.Option("--release", metavar="RELEASE", help="Another release than this code.")]


@release.command("show")
def show(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show which releases get work, how much is open on each, and whose workflow tasks fail."""
    from betcore.cli.release_actions import shown

    run_command(as_json, data_dir, shown, _as_text)


@release.command("ramp")
def ramp(
    percent: Annotated[float, typer.Argument(metavar="PERCENT", min=0, max=100, help="Such as 1, 10 or 100.")],
    operator: Operator,
    reason: Reason,
    chosen: Chosen = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Let a release, by default the one of this code, get a share of all workflows, open ones too."""
    from betcore.cli.release_actions import ramped

    run_command(
        as_json, data_dir, lambda context: ramped(context, chosen, percent, operator, reason), formatting.fields
    )


@release.command("set")
def set_current(
    operator: Operator, reason: Reason, chosen: Chosen = None, as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Make a release, by default the one of this code, the current one: it gets all work."""
    from betcore.cli.release_actions import made_current

    run_command(as_json, data_dir, lambda context: made_current(context, chosen, operator, reason), formatting.fields)


@release.command("roll-back")
def roll_back(operator: Operator, reason: Reason, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Take the ramp away; without one, make the release current again that was so before this one."""
    from betcore.cli.release_actions import rolled_back

    run_command(as_json, data_dir, lambda context: rolled_back(context, operator, reason), formatting.fields)


@release.command("wait")
def wait(
    named: Named,
    seconds: Annotated[int, typer.Option("--seconds", min=0, help="How long to wait at most.")] = 600,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Wait until nothing is open any more that only this release can end: then its workers may be stopped."""
    from betcore.cli.release_actions import waited

    run_command(as_json, data_dir, lambda context: waited(context, named, seconds), formatting.fields)


@release.command("reset")
def reset(
    named: Named,
    operator: Operator,
    reason: Reason,
    most: Annotated[int, typer.Option("--at-most", min=1, max=10_000, help="At most this number of workflows.")] = 100,
    carry_out: Annotated[bool, typer.Option("--carry-out", help="Reset them; else they are only listed.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Have the workflows that a release has led carried out anew, from before its first workflow task in each.

    Only after it was rolled back. No money moves twice; what was filed is delivered again.
    """
    from betcore.cli.release_actions import were_reset

    def words(done: Json) -> str:
        if not done["workflows"]:
            return f"{named} has led no open workflow"
        end = "were reset" if carry_out else "would be reset: run it again with --carry-out"
        return f"{formatting.table(done['workflows'])}\n{len(done['workflows'])} {end}"

    run_command(as_json, data_dir, lambda context: were_reset(context, named, operator, reason, most, carry_out), words)


def _as_text(found: Json) -> str:
    head = f"current: {found['current']}"
    if found["ramping"] is not None:
        head += f"; ramping: {found['ramping']} with {found['percent']:g} % of the workflows"
    without = found["unversioned"]
    end = f"without a version: {without['workers']} workers, {without['failing']} failing workflows"
    rows = [{name: value for name, value in one.items() if name != "changes"} for one in found["releases"]]
    changes = [
        f"{formatting.time(at)}  {one['release']}: {formatting.plain(what)}"
        for one in found["releases"]
        for at, what in one["changes"].items()
    ]
    return "\n".join([head, formatting.table(rows), end, *sorted(changes)])
