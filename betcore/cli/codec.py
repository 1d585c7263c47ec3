"""``python -m betcore codec ...``: who may read bets in the Temporal UI, by way of the codec server."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from betcore.cli.output import AsJson, emit, reporting_errors

codec = typer.Typer(no_args_is_help=True, help="Who may read bets in the Temporal UI.")


@codec.callback()
def group() -> None:
    """Keep ``token`` a command of its own: Typer would drop the name of a group's only command."""


@codec.command("token")
def token(
    operator: Annotated[
        str, typer.Option("--operator", help="The operator's name; is in the log of the codec server.")
    ],
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="Days for which the token holds.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Make an operator's token for the codec server. It is shown once, and stored nowhere.

    The entry goes into BETCORE_CODEC_TOKENS of the codec server, behind those of others, with a comma between. An entry
    that is removed, or whose last day is over, opens nothing any more.
    """
    from betcore.runtime.operator_tokens import issue

    with reporting_errors(as_json):
        made, entry = issue(operator, (datetime.now(UTC) + timedelta(days=days)).date())
        emit({"operator": operator, "token": made, "entry": str(entry), "last_day": entry.last_day}, as_json)
