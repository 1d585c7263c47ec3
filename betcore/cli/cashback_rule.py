"""``python -m betcore cashback rule ...``: the rules of casinos' profiles, and the runs of their windows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli.context import CommandContext, Json, lines, run_command
from betcore.cli.formatting import table
from betcore.cli.output import AsJson, DataDir
from betcore.domain.errors import NotFound, PreconditionFailed, Unavailable

if TYPE_CHECKING:
    from temporalio.client import Client

    from betcore.db.cashback_rules import CashbackRules, Rule
    from betcore.db.statements.cashback_rules import RunShownRow
    from betcore.domain.cashback_rules import RuleRun, RuleRunDone

rule = typer.Typer(no_args_is_help=True, help="Rules by which players get back a part of what they have lost.")

Casino = Annotated[str, typer.Option("--casino", help="The casino's name.")]
Name = Annotated[str, typer.Option("--name", help="The rule's name in the casino's profile.")]
# Seconds between two looks at a run.
_LOOK_EVERY = 0.5


@rule.command("list")
def list_rules(
    casino: Annotated[str | None, typer.Option("--casino", help="Of this casino alone.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List the rules that stand, with the window that each of them is run for next."""

    async def work(context: CommandContext) -> Json:
        from betcore.db.cashback_rules import CashbackRules

        return {"rules": [_rule(one) for one in await CashbackRules(context.database).rules(casino) if one.standing]}

    run_command(as_json, data_dir, work, lambda found: table(found["rules"]))


@rule.command("runs")
def list_runs(
    casino: Casino,
    name: Annotated[str | None, typer.Option("--name", help="Of this rule alone.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this number of runs.")] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List the newest runs of a casino's rules: their windows, what they have opened, and the sums by currency."""

    async def work(context: CommandContext) -> Json:
        from betcore.db.cashback_rules import CashbackRules

        return {"runs": [_run(one) for one in await CashbackRules(context.database).shown(casino, name, limit)]}

    run_command(as_json, data_dir, work, lambda found: lines(found["runs"]))


@rule.command("run")
def run(
    casino: Casino,
    name: Name,
    again: Annotated[
        bool, typer.Option("--again", help="Go through the players of the last window once more, if none is due.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Run a rule now for its windows that have ended, and wait for that; what was opened before is not opened again."""

    async def work(context: CommandContext) -> Json:
        return {"runs": await _ran(context, casino, name, again)}

    run_command(as_json, data_dir, work, lambda found: lines(found["runs"]))


async def _ran(context: CommandContext, casino: str, name: str, again: bool) -> list[Json]:
    from betcore.db.cashback_rules import CashbackRules
    from betcore.temporal.client import connect

    rules = CashbackRules(context.database)
    runs = await _due(rules, casino, name, again)
    try:
        client = await connect(context.settings)
    except RuntimeError as error:
        raise Unavailable(f"Temporal: {error}", code="unreachable") from error
    found = []
    for one in runs:
        async with _progress(rules, one):
            done = await _finished(client, one)
        window = {"from": one.period_from.isoformat(), "to": one.period_to.isoformat()}
        found.append({**window, **done.model_dump()})
    return found


async def _due(rules: "CashbackRules", casino: str, name: str, again: bool) -> "list[RuleRun]":
    """Return the runs to be carried out: those of windows that have ended, else, if asked to, the last one."""
    from betcore.domain.cashback_rules import MARGIN

    of_name = [one for one in await rules.rules(casino) if one.name == name]
    if not of_name:
        raise NotFound(f"there is no rule {name!r} of a casino {casino!r} that is not disabled")
    begun = await rules.begin(of_name[0])
    unended = [one for one in await rules.unended() if (one.casino_id, one.name) == (of_name[0].casino_id, name)]
    last = await rules.last(casino, name)
    if begun or unended:
        return unended or begun
    if last is None or not again:
        when = f"{MARGIN.total_seconds() / 60:.0f} minutes after its window's end"
        raise PreconditionFailed(f"no window is due: a rule is run {when}; see --again", code="operation_refused")
    return [await rules.again(last)]


async def _finished(client: "Client", one: "RuleRun") -> "RuleRunDone":
    from temporalio.client import WorkflowFailureError
    from temporalio.service import RPCError

    from betcore.domain.cashback_rules import RuleRunDone
    from betcore.domain.ids import cashback_rule_workflow_id
    from betcore.temporal.schedules import start_rule_run

    try:
        await start_rule_run(client, one)
        workflow_id = cashback_rule_workflow_id(one.run_id, one.times)
        done: RuleRunDone = await client.get_workflow_handle(workflow_id, result_type=RuleRunDone).result()
    except RPCError as error:
        raise Unavailable(f"Temporal: {error}", code="unreachable") from error
    except WorkflowFailureError as error:
        raise Unavailable(f"the run was ended from outside: {error.cause}", code="ended") from error
    return done


@asynccontextmanager
async def _progress(rules: "CashbackRules", one: "RuleRun") -> AsyncIterator[None]:
    """Show on standard error how many players a run has dealt with."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("waiting for a worker")

        async def follow() -> None:
            while True:
                now = await rules.run(one.run_id)
                shown.update(task, description=f"{now.players} players, {now.opened} cashbacks")
                await asyncio.sleep(_LOOK_EVERY)

        following = asyncio.create_task(follow())
        try:
            yield
        finally:
            following.cancel()


def _rule(one: "Rule") -> Json:
    from betcore.domain.cashback_rules import next_window

    version, window = one.standing, next_window(one.versions, one.paid_to)
    assert version is not None  # noqa: S101  for mypy: only rules that stand are listed
    terms = version.rule.model_dump(mode="json", exclude={"name"})
    terms |= {"floor": _amounts(terms["floor"]), "cap": _amounts(terms["cap"])}
    terms |= {"excluded_categories": ", ".join(terms["excluded_categories"]) or None}
    since = None if window is None else window.since.isoformat()
    cut = None if window is None else window.cut.isoformat()
    named = {"casino": one.casino, "name": one.name, "version": version.version_id}
    return named | terms | {"time_zone": version.time_zone, "next_from": since, "next_to": cut}


def _amounts(given: dict[str, str]) -> str | None:
    return ", ".join(f"{currency} {amount}" for currency, amount in given.items()) or None


def _run(row: "RunShownRow") -> Json:
    from betcore.db.row_mapping import amount_text

    one = row.run
    window = {"from": one.period_from.isoformat(), "to": one.period_to.isoformat()}
    counts = {"players": one.players, "opened": one.opened, "blocked": one.blocked, "unread": one.unread}
    paid = {"currency": row.currency, "cashbacks": row.cashbacks}
    amount = None if row.currency is None else amount_text(row.amount, row.currency)
    ended = None if one.ended_at is None else one.ended_at.isoformat()
    named = {"run_id": one.run_id, "casino": row.casino, "name": one.name, "version": one.version_id}
    return {**named, **window, **counts, "contradicted": one.contradicted, **paid, "amount": amount, "ended_at": ended}
