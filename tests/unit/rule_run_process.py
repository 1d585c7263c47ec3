"""A process that carries out a rule's run, once the test opens the gate: an advisory lock of the database."""

import asyncio
import json
import sys
from typing import Any, cast

import asyncpg
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.cashback_rules import RuleRuns
from betcore.db.cashback_rules import CashbackRules
from betcore.db.cashbacks import Cashbacks
from betcore.db.database import open_database
from betcore.runtime.settings import Settings


async def main(url: str, run_id: int) -> None:
    """Run it, and print how many players it has dealt with, and how many cashbacks stand."""
    async with open_database(Settings(database_url=SecretStr(url))) as database:
        activities = RuleRuns(cast(Any, None), CashbackRules(database), Cashbacks(database))
        gate = await asyncpg.connect(url)
        sys.stdout.write("waiting\n")
        sys.stdout.flush()
        await gate.execute("SELECT pg_advisory_lock_shared(1)")
        done = await ActivityEnvironment().run(activities.pay_cashback_rule, run_id)
        await gate.close()
    sys.stdout.write(json.dumps({"players": done.players, "opened": done.opened}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
