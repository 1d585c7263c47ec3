"""``python -m betcore cashback ...``: issue, cancel and list cashbacks."""

from typing import Annotated

import typer

from betcore.cli import formatting
from betcore.cli.cashback_explain import explain
from betcore.cli.cashback_import import import_cashbacks
from betcore.cli.cashback_rule import rule
from betcore.cli.context import CommandContext, Json, run_command
from betcore.cli.output import AsJson, DataDir, Operator, Reason

cashback = typer.Typer(no_args_is_help=True, help="Cashbacks: money that casinos give back to players.")
cashback.command("import")(import_cashbacks)
cashback.command("explain")(explain)
cashback.add_typer(rule, name="rule")

Casino = Annotated[str, typer.Option("--casino", help="The casino's name.")]
CashbackId = Annotated[int, typer.Argument(metavar="CASHBACK_ID", help="Our number of the cashback.")]
Wait = Annotated[
    float, typer.Option("--wait", min=0, max=600, help="Seconds to wait for its end; it goes on without the command.")
]


@cashback.command("issue")
def issue(
    player: Annotated[str, typer.Option("--player", help="The PartnerUserId of the casino's player.")],
    amount: Annotated[str, typer.Option("--amount", help="In major units, such as 5.00.")],
    currency: Annotated[str, typer.Option("--currency", help="Such as EUR.")],
    casino: Casino,
    operator: Operator,
    reason: Reason,
    request: Annotated[
        str | None,
        typer.Option("--request", help="A name of this request: however often it is sent, it is paid once."),
    ] = None,
    promo_code: Annotated[str | None, typer.Option("--promo-code", help="Is sent to the casino.")] = None,
    wait: Wait = 10,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Give money to a player. It is owed from then on, and sent until the casino has paid it.

    Above the casino's approval_above a second operator has to send the same request within the hour.
    """

    async def work(context: CommandContext) -> Json:
        from betcore.cli.cashback_orders import Issue, issue_cashback

        order = Issue(casino, player, amount, currency.upper(), operator, reason, request, promo_code)
        return await issue_cashback(context, order, wait)

    run_command(as_json, data_dir, work, formatting.fields)


@cashback.command("cancel")
def cancel(
    cashback_id: CashbackId,
    operator: Operator,
    reason: Reason,
    wait: Wait = 10,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Take a cashback back. The casino may refuse that: then the player keeps the money, and an incident is filed."""

    async def work(context: CommandContext) -> Json:
        from betcore.cli.cashback_orders import cancel_cashback

        return await cancel_cashback(context, cashback_id, operator, reason, wait)

    run_command(as_json, data_dir, work, formatting.fields)


@cashback.command("list")
def list_cashbacks(
    casino: Casino,
    player: Annotated[str | None, typer.Option("--player", help="Of this PartnerUserId alone.")] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only those whose money is to move.")] = False,
    before: Annotated[int | None, typer.Option("--before", help="Only those before this CashbackId.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this number.")] = 100,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List cashbacks, the newest first."""

    async def work(context: CommandContext) -> Json:
        from betcore.cli.cashback_orders import listed

        return {"cashbacks": await listed(context, casino, player, only_open=only_open, before=before, limit=limit)}

    run_command(as_json, data_dir, work, _listing)


def _listing(found: Json) -> str:
    columns = (
        "cashback_id",
        "player_ref",
        "amount",
        "state",
        "source",
        "reason",
        "opened_at",
        "cancel",
        "cancel_reason",
    )
    return formatting.table([{name: row[name] for name in columns} for row in found["cashbacks"]])
