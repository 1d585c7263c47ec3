"""``python -m betcore migrate``: bring the database to the newest schema, grant its roles what they may do, and make a
key to sign with."""

from typing import Annotated

import typer

from betcore.cli.context import CommandContext, Json, run_command
from betcore.cli.output import AsJson, DataDir


def command(
    reseal: Annotated[
        bool, typer.Option("--reseal", help="Seal partners' secrets and signing keys anew, with the newest key.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Bring the database to the newest schema, grant its roles their privileges, and make a signing key if there is
    none."""

    async def work(context: CommandContext) -> Json:
        from betcore.db.migrate import migrate
        from betcore.db.resealing import reseal as seal_anew
        from betcore.db.signing_keys import SigningKeys
        from betcore.runtime.vault import Vault

        vault = Vault.of(context.settings)
        keys = SigningKeys(context.database, vault, 0)
        missing = await migrate(context.engine)
        await keys.ensure()
        resealed = {"resealed": await seal_anew(context.database, vault)} if reseal else {}
        return {"migrated": True, "signing_key": (await keys.current()).kid, "roles_missing": missing, **resealed}

    run_command(as_json, data_dir, work)
