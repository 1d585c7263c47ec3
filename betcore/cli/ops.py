"""``python -m betcore ops ...``: show bets, find those that make no progress, and act on them."""

from typing import Annotated

import typer

from betcore.cli import formatting
from betcore.cli.context import CommandContext, Json, run_command
from betcore.cli.output import AsJson, DataDir, Operator, Reason
from betcore.cli.reconcile import reconcile
from betcore.cli.win_review import review
from betcore.domain.messages import Action

ops = typer.Typer(no_args_is_help=True, help="Show bets, find those that make no progress, and act on them.")
ops.command("reconcile")(reconcile)
ops.add_typer(review, name="review")

Bet = Annotated[
    str, typer.Argument(metavar="BET", help="Our BetId, <provider>/<betId>, or the id of one of its workflows.")
]
Casino = Annotated[str | None, typer.Option("--casino", help="Of this casino alone.")]


@ops.command("show")
def show(bet: Bet, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show everything about a bet: its rows, every message, send and answer, and what comes next."""
    from betcore.cli.ops_queries import show_bet

    run_command(as_json, data_dir, lambda context: show_bet(context, bet), _story)


@ops.command("stuck")
def stuck(
    casino: Casino = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this number of each kind.")] = 100,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List the bets that make no progress by themselves, and why; and rounds of live games in review."""
    from betcore.cli.ops_queries import list_stuck

    run_command(
        as_json,
        data_dir,
        lambda context: list_stuck(context, casino, limit),
        _stuck_text,
    )


@ops.command("owed")
def owed(casino: Casino = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Add up what is owed to players, by casino, currency and age."""

    async def work(context: CommandContext) -> Json:
        from betcore.db.owed import Owed

        return {"owed": await Owed(context.database).listed(casino)}

    run_command(as_json, data_dir, work, lambda found: formatting.table(found["owed"]))


@ops.command("retry")
def retry(bet: Bet, operator: Operator, reason: Reason, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Send now what waits for its next attempt; send again what is parked."""
    _operate(Action.RETRY, bet, operator, reason, as_json, data_dir)


@ops.command("void")
def void(bet: Bet, operator: Operator, reason: Reason, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Return the stake of a bet that has no result."""
    _operate(Action.VOID, bet, operator, reason, as_json, data_dir)


@ops.command("settle")
def settle(
    bet: Bet,
    win: Annotated[str, typer.Option("--win", help="What the player wins, such as 25.00; 0 is a loss.")],
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Settle a bet that waits for its PayOut."""
    _operate(Action.SETTLE, bet, operator, reason, as_json, data_dir, win)


@ops.command("release")
def release(bet: Bet, operator: Operator, reason: Reason, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Pay a win that is in review. Always takes two operators."""
    _operate(Action.RELEASE, bet, operator, reason, as_json, data_dir)


@ops.command("refuse")
def refuse(bet: Bet, operator: Operator, reason: Reason, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Do not pay a win that is in review; the bet waits for another PayOut or a Refund. Always takes two operators."""
    _operate(Action.REFUSE, bet, operator, reason, as_json, data_dir)


@ops.command("mark-paid")
def mark_paid(bet: Bet, operator: Operator, reason: Reason, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Record a parked payment as paid by hand, once the casino's list has twice had none of ours."""
    _operate(Action.MARK_PAID, bet, operator, reason, as_json, data_dir)


@ops.command("mark-taken")
def mark_taken(bet: Bet, operator: Operator, reason: Reason, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Record a parked debit as taken: the casino has the money. Always takes two operators."""
    _operate(Action.MARK_TAKEN, bet, operator, reason, as_json, data_dir)


@ops.command("mark-not-taken")
def mark_not_taken(
    bet: Bet, operator: Operator, reason: Reason, as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Record a parked debit as not taken, once no message of ours can still take it. Always takes two operators."""
    _operate(Action.MARK_NOT_TAKEN, bet, operator, reason, as_json, data_dir)


def _operate(
    action: Action, bet: str, operator: str, reason: str, as_json: bool, data_dir: DataDir, win: str | None = None
) -> None:
    from betcore.cli import parked_debit
    from betcore.cli.ops_actions import send_action

    def show(listed: Json) -> None:
        if not as_json:
            typer.echo(parked_debit.as_text(listed))

    run_command(
        as_json, data_dir, lambda context: send_action(context, action, bet, operator, reason, win, show), _outcome
    )


def _stuck_text(found: Json) -> str:
    bets = formatting.table(found["stuck"])
    rounds = formatting.table(found["rounds"])
    return f"{bets}\n\n{formatting.heading('rounds in review', rounds)}" if found["rounds"] else bets


def _outcome(done: Json) -> str:
    if done["done"]:
        return f"bet {done['bet_id']}, {done['state']}: {done['action']} is under way; `ops show` tells its end"
    same = f"ops {done['action']} {done['bet_id']}" + (f" --win {done['win']}" if done["win"] else "")
    return (
        f"bet {done['bet_id']}, {done['state']}: {done['action']} {done['detail']}, who runs\n"
        f"  python -m betcore {same} --operator NAME --reason TEXT"
    )


def _story(found: Json) -> str:
    incidents = formatting.heading("incidents", formatting.table(found["incidents"]))
    return "\n\n".join([*formatting.bet(found), incidents, formatting.heading("what comes next", _next(found))])


def _next(found: Json) -> str:
    lines = []
    for one in found["next"]:
        lines.append(f"{one['workflow_id']}: {one['status']}")
        if one["bet_status"]:
            lines[-1] += f", {one['bet_status']}" + (", needs attention" if one["needs_attention"] else "")
        if one["ui"]:
            lines.append(f"  {one['ui']}")
        if one["task_attempt"] > 1:
            failure = formatting.plain(one["task_failure"] or "see the worker's log")
            lines.append(f"  its workflow task fails, attempt {one['task_attempt']}: {failure}")
        for pending in one["pending"]:
            at = f", next at {formatting.time(pending['next_at'])}" if pending["next_at"] else ""
            lines.append(f"  {pending['what']}: {pending['state']}, attempt {pending['attempt']}{at}")
            if pending["last_failure"]:
                lines.append(f"    {formatting.plain(pending['last_failure'])}")
    return "\n".join([*lines, *([found["no_next"]] if found["no_next"] else [])])
