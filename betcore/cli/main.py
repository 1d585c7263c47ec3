"""The root of the command line. A command's module is imported when the command runs, not before.

Each row of ``COMMANDS`` names a module and an attribute of it: a function, which is the command, or a ``typer.Typer``,
which is a group of commands. The help text stands in the row, so that ``--help`` imports nothing either.
"""

import sys
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Row(NamedTuple):
    """Where a command lives, and what it does in a line."""

    where: str
    help: str


COMMANDS = {
    "up": Row("devkit.cli.up:up", "Run the whole stack on this machine until Ctrl-C."),
    "demo": Row("devkit.cli.demo:demo", "Run the stack and play a set of bets on it."),
    "play": Row("devkit.cli.play:play", "Let the sandbox provider play bets on the running stack."),
    "migrate": Row("betcore.cli.migrate:command", "Bring the database to the newest schema."),
    "provider": Row(
        "betcore.cli.partners:provider", "Game providers: add, show, list, set-profile, disable, suspend, ..."
    ),
    "casino": Row("betcore.cli.partners:casino", "Casinos: add, show, list, set-profile, disable, rotate-secret, ..."),
    "game": Row("betcore.cli.catalogue:game", "Games: add, show, list, disable, enable."),
    "keys": Row("betcore.cli.keys:keys", "The keys that sign for casinos: list, revoke."),
    "player": Row("betcore.cli.catalogue:player", "Players: block, unblock."),
    "session": Row("betcore.cli.catalogue:session", "Game sessions: open, close."),
    "incident": Row("betcore.cli.incident:incident", "Where two sides say different things of a bet: list, show."),
    "ops": Row("betcore.cli.ops:ops", "Bets: show, stuck, owed, retry, settle, void, mark-paid; reconcile."),
    "verify": Row("betcore.cli.verify:verify", "Check what must always be true of bets, workflows and casinos' books."),
    "chaos": Row("devkit.cli.chaos:chaos", "Break a stack of its own under load, and verify it afterwards."),
    "sandbox": Row("devkit.cli.sandbox:sandbox", "The sandbox partners' accounts."),
}


class LazyGroup(TyperGroup):
    """Lists commands from the table, and loads the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in with the help text; ``resolve_command`` puts the command itself in its place."""
        row = COMMANDS.get(cmd_name)
        return row and TyperCommand(cmd_name, help=row.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the arguments name, imported."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, _load(COMMANDS[name].where) if name else None, rest


def _load(where: str) -> Any:
    module, _, attribute = where.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False)
    alone.command()(found)
    return typer.main.get_command(alone)


app = typer.Typer(
    cls=LazyGroup,
    name="betcore",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """A game aggregator in which every bet is a durable workflow."""
    import structlog

    # structlog writes to standard output unless it is told otherwise: a line there would break --json.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
