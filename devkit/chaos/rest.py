"""Coming to rest: what a run still has to do by itself once nothing is broken any more."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from betcore.db.database import Database
from betcore.db.jackpot_pools import JackpotPools
from betcore.db.open_bets import OpenBets
from betcore.domain.ids import parse_workflow_id
from betcore.domain.open_bets import OpenBet
from betcore.runtime.settings import Settings
from betcore.temporal import executions
from betcore.temporal.client import connect
from devkit.chaos.cashback_books import read_cashbacks
from devkit.chaos.outages import once_available
from devkit.chaos.partners import LoadProvider
from devkit.play.books import not_at_rest

_PAGE = 1000
_ROWS = 100
# Seconds after which a person is informed of what is waited for, and how much of that.
_SAID_AFTER, _SHOWN = 10, 3
_CASHBACKS = "ExecutionStatus = 'Running' AND WorkflowType = 'Cashback'"


class Rest:
    """The looks at bets, cashbacks and pools of a run."""

    def __init__(self, settings: Settings, database: Database, engine: AsyncEngine, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._engine = engine
        self._open = OpenBets(database)
        self._pools = JackpotPools(database)

    async def come(self, providers: Sequence[LoadProvider], since: datetime | None, patience: float) -> dict[str, str]:
        """Return what still has something to do when patience (seconds) is over: by our rows, or a workflow whose row
        has ended.

        Cashbacks count that were opened at ``since`` or later.
        """
        began, client, seconds = time.monotonic(), await connect(self._settings), _SAID_AFTER
        while True:
            restless = await self._bets(client, providers) | await cashbacks(self._engine, client, since)
            restless |= {f"pool {one}": "it has stakes to book" for one in await self._pools.due()}
            restless |= {row.workflow_id: "no workflow carries it" for row in await self._without_workflow(client)}
            waited = time.monotonic() - began
            if not restless or waited > patience:
                return restless
            if waited > seconds:
                first = ", ".join(f"{name}: {what}" for name, what in list(restless.items())[:_SHOWN])
                self._say(f"{len(restless)} are not at rest after {waited:.0f} s: {first}")
                seconds *= 2
            await asyncio.sleep(1)

    async def _bets(self, client: Client, providers: Sequence[LoadProvider]) -> dict[str, str]:
        restless: dict[str, str] = {}
        for provider in providers:
            bet_ids = [bet.stake.bet_id for bet in provider.book]
            restless |= await once_available(partial(not_at_rest, self._engine, provider.counterparty_id, bet_ids))
        async for page in executions.started_before(client, datetime.now(UTC), _PAGE):
            ended = await self._open.ended([parse_workflow_id(one.id) for one in page], timedelta())
            restless |= {row.workflow_id: "its workflow goes on" for row in ended}
        return restless

    async def _without_workflow(self, client: Client) -> list[OpenBet]:
        """Return open rows whose workflow does not run: the next look of the service resumes them."""
        found: list[OpenBet] = []
        for kind in self._open.kinds:
            after = 0
            while rows := await self._open.open_rows(kind, after, _ROWS):
                found += await executions.without_execution(client, rows)
                after = rows[-1].bet_id
        return found


async def cashbacks(engine: AsyncEngine, client: Client, since: datetime | None) -> dict[str, str]:
    """Return the cashbacks, opened at ``since`` or later, that are not at rest, and workflows that go on all the
    same."""
    ours = await once_available(partial(read_cashbacks, engine, since))
    restless = {f"cashback {row.cashback_id}": row.state for row in ours if not row.at_rest}
    at_rest = {row.cashback_id for row in ours if row.at_rest}
    async for found in client.list_workflows(_CASHBACKS):
        if parse_workflow_id(found.id) in at_rest:
            restless[found.id] = "its workflow goes on"
    return restless
