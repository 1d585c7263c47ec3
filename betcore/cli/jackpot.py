"""``python -m betcore jackpot ...``: the pools of this service."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli import formatting
from betcore.cli.context import CommandContext, Json, run_command
from betcore.cli.output import AsJson, DataDir, Operator, Reason

if TYPE_CHECKING:
    from betcore.db.jackpot_pools import JackpotPools
    from betcore.db.statements.jackpot_pools import EntryRow, PoolRow

jackpot = typer.Typer(no_args_is_help=True, help="Jackpots: pools to which the stakes of games contribute.")

Number = Annotated[int, typer.Argument(metavar="JACKPOT", min=1, help="The jackpot's number.")]


@jackpot.command("add")
def add(
    casino: Annotated[str, typer.Option("--casino", help="Name of the casino whose players win it.")],
    name: Annotated[str, typer.Option("--name", help="The name for players.")],
    provider: Annotated[str, typer.Option("--provider", help="Name of the provider of its games.")],
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217, or one of the settings.")],
    share: Annotated[str, typer.Option("--share", help="The part of each stake that goes to it, such as 0.015.")],
    operator: Operator,
    game_id: Annotated[str | None, typer.Option("--game-id", help="Stakes of this game contribute.")] = None,
    category: Annotated[str | None, typer.Option("--category", help="Stakes of all games of it contribute.")] = None,
    seed: Annotated[str, typer.Option("--seed", help="What it begins with, and again after each win.")] = "0",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Add a jackpot, of one game or of a category. Stakes that settle from now on contribute to it."""

    async def work(context: CommandContext) -> Json:
        from betcore.db import validation
        from betcore.domain import jackpots

        amount = jackpots.seed(seed, validation.currency(currency))
        pool = jackpots.NewPool(
            casino=casino,
            name=validation.name("name", name),
            provider=provider,
            game_id=game_id,
            category=category,
            share=jackpots.share(share),
            seed=amount,
        )
        return _pool(await _pools(context).add(pool))

    run_command(as_json, data_dir, work, formatting.fields, operator=operator)


@jackpot.command("list")
def list_jackpots(
    casino: Annotated[str | None, typer.Option("--casino", help="Of this casino alone.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List jackpots."""

    async def work(context: CommandContext) -> Json:
        return {"jackpots": [_pool(row) for row in await _pools(context).pools(casino)]}

    run_command(as_json, data_dir, work, lambda found: formatting.table(found["jackpots"]))


@jackpot.command("show")
def show(
    number: Number,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this number of entries.")] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show a jackpot, the newest entries of its journal, and how many stakes are still to be booked."""

    async def work(context: CommandContext) -> Json:
        pools = _pools(context)
        row = await pools.pool(number)
        entries = await pools.entries(number, limit)
        return _pool(row) | {"unbooked": await pools.unbooked(number), "journal": _journal(row.currency, entries)}

    run_command(as_json, data_dir, work, _words)


@jackpot.command("disable")
def disable(number: Number, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Take no more contributions, for good, and show it no more. A win that a provider names is still paid."""

    async def work(context: CommandContext) -> Json:
        pools = _pools(context)
        await pools.disable(number)
        return _pool(await pools.pool(number))

    run_command(as_json, data_dir, work, formatting.fields, operator=operator)


@jackpot.command("adjust")
def adjust(
    number: Number,
    amount: Annotated[str, typer.Option("--amount", help="In major units; with a minus sign to take it out.")],
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Put money into a jackpot, or take it out, once a second operator asks for the same within the hour."""

    async def work(context: CommandContext) -> Json:
        from betcore.cli.ops_actions import checked_text
        from betcore.db.row_mapping import signed_text
        from betcore.domain import jackpots

        who, why, pools = checked_text("operator", operator), checked_text("reason", reason), _pools(context)
        currency = (await pools.pool(number)).currency
        minor = jackpots.adjustment(amount, currency)
        row = await pools.adjust(number, minor, who, why)
        done = row.verdict == "done"
        detail = "done" if done or row.until is None else f"waits for a second operator until {row.until:%H:%M:%S} UTC"
        return {"jackpot_id": number, "done": done, "detail": detail, "amount": signed_text(row.amount, currency)}

    run_command(as_json, data_dir, work, operator=operator)


def _pools(context: CommandContext) -> "JackpotPools":
    from betcore.db.jackpot_pools import JackpotPools

    return JackpotPools(context.database)


def _pool(row: "PoolRow") -> Json:
    from betcore.db.row_mapping import signed_text, time_text

    return {
        "jackpot_id": row.jackpot_id,
        "casino": row.casino,
        "name": row.name,
        "provider": row.provider,
        "game_id": row.provider_game_id,
        "category": row.category,
        "currency": row.currency,
        "share": f"{row.share:f}",
        "seed": signed_text(row.seed, row.currency),
        "amount": signed_text(row.amount, row.currency),
        "stakes": signed_text(row.stakes, row.currency),
        "contributed": signed_text(row.contributed, row.currency),
        "disabled_at": time_text(row.disabled_at),
    }


def _journal(currency: str, entries: "Sequence[EntryRow]") -> list[Json]:
    from betcore.db.row_mapping import signed_text, time_text

    return [
        {
            "number": row.number,
            "at": time_text(row.at),
            "kind": row.kind,
            "amount": signed_text(row.amount, currency),
            "balance": signed_text(row.balance, currency),
            "stakes": signed_text(row.stakes, currency),
            "bet_id": row.bet_id,
            "reason": row.reason,
            "operators": row.operators and ", ".join(row.operators),
        }
        for row in entries
    ]


def _words(found: Json) -> str:
    head = {name: value for name, value in found.items() if name != "journal"}
    return "\n\n".join([formatting.fields(head), formatting.table(found["journal"])])
