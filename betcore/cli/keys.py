"""``python -m betcore keys ...``: the keys that sign our messages to casinos and casinos' access tokens."""

from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli.context import CommandContext, Json, lines, run_command
from betcore.cli.output import AsJson, DataDir

if TYPE_CHECKING:
    from betcore.db.signing_keys import SigningKeys

keys = typer.Typer(no_args_is_help=True, help="The keys that sign for casinos.")


@keys.command("list")
def list_keys(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the keys: which one signs, and which ones casinos find in the JWKS."""

    async def work(context: CommandContext) -> Json:
        return {"keys": await _keys(context).all()}

    run_command(as_json, data_dir, work, lambda found: lines(found["keys"]))


@keys.command("revoke")
def revoke_key(
    kid: Annotated[str, typer.Argument(metavar="KID", help="The key's id, as `keys list` shows it.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Remove a key from the JWKS at once and never sign with it again; if it was the signing key, make a new one."""

    async def work(context: CommandContext) -> Json:
        return {"revoked": kid, "signing_key": await _keys(context).revoke(kid)}

    run_command(as_json, data_dir, work)


def _keys(context: CommandContext) -> "SigningKeys":
    from betcore.db.signing_keys import SigningKeys
    from betcore.runtime.vault import Vault

    return SigningKeys(context.database, Vault.of(context.settings), 0)
