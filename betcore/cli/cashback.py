"""``python -m betcore cashback ...``: money that casinos give back to players."""

import typer

from betcore.cli.cashback_import import import_cashbacks

cashback = typer.Typer(no_args_is_help=True, help="Cashbacks: money that casinos give back to players.")
cashback.command("import")(import_cashbacks)
