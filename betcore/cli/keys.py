"""``python -m betcore keys ...``: the keys that sign our messages to casinos and casinos' access tokens."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli.context import CommandContext, Json, lines, run_command
from betcore.cli.output import ID_MAY_BEGIN_WITH_DASH, AsJson, DataDir, Operator

if TYPE_CHECKING:
    from betcore.db.signing_keys import SigningKeys

keys = typer.Typer(no_args_is_help=True, help="The keys that sign for casinos.")


@keys.command("list")
def list_keys(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the keys: what each one is used for, since when and until when, and whether casinos find it in the JWKS."""

    async def work(context: CommandContext) -> Json:
        return {"keys": await _keys(context).all()}

    run_command(as_json, data_dir, work, lambda found: lines(found["keys"]))


@keys.command("rotate")
def rotate_keys(
    operator: Operator,
    casino_cache: Annotated[
        int, typer.Option(min=60, help="Seconds for which casinos keep the JWKS after they have fetched it.")
    ] = 900,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make the key that signs next, once every cache of the JWKS lists it; the old one stays listed for its tokens."""

    async def work(context: CommandContext) -> Json:
        from betcore.db.signing_keys import JWKS_MAX_AGE

        # An API process may list for a moment what it has in its cache, and an HTTP cache may keep that list.
        on_the_way = context.settings.partner_cache_seconds + JWKS_MAX_AGE
        stored = _keys(context)
        kid = await stored.rotate(timedelta(seconds=casino_cache + on_the_way))
        return next(key for key in await stored.all() if key["kid"] == kid)

    run_command(as_json, data_dir, work, operator=operator)


@keys.command("revoke", context_settings=ID_MAY_BEGIN_WITH_DASH)
def revoke_key(
    kid: Annotated[str, typer.Argument(metavar="KID", help="The key's id, as `keys list` shows it.")],
    operator: Operator,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Remove a key from the JWKS at once and never sign with it again; if it was the one that signs, another does."""

    async def work(context: CommandContext) -> Json:
        return {"revoked": kid, "signing_key": await _keys(context).revoke(kid)}

    run_command(as_json, data_dir, work, operator=operator)


def _keys(context: CommandContext) -> "SigningKeys":
    from betcore.db.signing_keys import SigningKeys
    from betcore.runtime.vault import Vault

    return SigningKeys(context.database, Vault.of(context.settings), 0)
