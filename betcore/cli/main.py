"""The root of the command line. A command's module is imported when the command runs, not before.

Each row of ``COMMANDS`` and ``DEVKIT`` names a module and an attribute of it: a function, which is the command, or a
``typer.Typer``, which is a group of commands. The help text is in the row, so that ``--help`` imports nothing either.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from betcore.runtime.version import VERSION


class Row(NamedTuple):
    """The place of a command, and its help in one line."""

    where: str
    help: str


COMMANDS = {
    "migrate": Row("betcore.cli.migrate:command", "Bring the database to the newest schema."),
    "provider": Row(
        "betcore.cli.partners:provider", "Game providers: add, show, list, set-profile, disable, suspend, ..."
    ),
    "casino": Row("betcore.cli.partners:casino", "Casinos: add, show, list, set-profile, set-limits, disable, ..."),
    "game": Row("betcore.cli.catalogue:game", "Games: add, show, list, sync, set-limits, disable, enable."),
    "jackpot": Row("betcore.cli.jackpot:jackpot", "Jackpots of casinos: add, list, show, disable, adjust."),
    "live": Row("betcore.cli.live:live", "Live games: add, list, show, check, maintenance, disable, cancel."),
    "keys": Row("betcore.cli.keys:keys", "The keys that sign for casinos: list, rotate, revoke."),
    "codec": Row("betcore.cli.codec:codec", "Who may read bets in the Temporal UI: token."),
    "player": Row("betcore.cli.catalogue:player", "Players: block, unblock."),
    "session": Row("betcore.cli.catalogue:session", "Game sessions: open, close."),
    "cashback": Row("betcore.cli.cashback:cashback", "Cashbacks: issue, cancel, list, import, explain; rule ..."),
    "incident": Row("betcore.cli.incident:incident", "Disagreements between two parties about a bet: list, show."),
    "admin": Row("betcore.cli.admin:admin", "What persons have changed of the configuration: events."),
    "ops": Row("betcore.cli.ops:ops", "Bets: show, stuck, owed, retry, settle, void, mark-paid; reconcile."),
    "archive": Row("betcore.cli.archive:archive", "Events of bets that ended long ago, in files: run, list, check."),
    "release": Row("betcore.cli.release:release", "Releases of the worker: show, ramp, set, roll-back, wait, reset."),
    "replay": Row("workflows.releases.command:command", "Replay open workflows with this code: a release's gate."),
    "verify": Row("betcore.cli.verify:verify", "Check what must always be true of bets, workflows and casinos' books."),
}
# The image has no ``devkit``. In a checkout its ``verify`` replaces the one above: it has one option more.
DEVKIT = {
    "up": Row("devkit.cli.up:up", "Run the whole stack on this machine until Ctrl-C."),
    "demo": Row("devkit.cli.demo:demo", "Run the stack and play a set of bets on it."),
    "play": Row("devkit.cli.play:play", "Let the sandbox provider play bets on the running stack."),
    "chaos": Row("devkit.cli.chaos:chaos", "Break a stack of its own under load, and verify it afterwards."),
    "sandbox": Row("devkit.cli.sandbox:sandbox", "The sandbox partners: prepare, confirm, break, mend, faults."),
    "verify": Row("devkit.cli.verify:verify", COMMANDS["verify"].help),
}


def commands() -> dict[str, Row]:
    """Return the commands that this installation has."""
    return COMMANDS | DEVKIT if find_spec("devkit") else COMMANDS


class LazyGroup(TyperGroup):
    """The commands of the tables; a command is loaded when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands, in the order of the tables."""
        return list(commands())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stand-in that has the help text; ``resolve_command`` replaces it by the command itself."""
        row = commands().get(cmd_name)
        return row and TyperCommand(cmd_name, help=row.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Import and return the command that the arguments name."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, _load(commands()[name].where) if name else None, rest


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
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version
        from platform import python_version

        print(f"betcore {VERSION} (Python {python_version()}, Temporal's SDK {version('temporalio')})")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
]


@app.callback()
def main(version: Version = False) -> None:
    """Operate a game aggregator in which every bet is a durable workflow."""
    import structlog

    # By default structlog writes to standard output: a line there would break --json.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
