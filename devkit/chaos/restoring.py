"""A restore under load: an older base backup replaces the database, as the runbook has it.

Bets and cashbacks begun before the restore are set aside: their rows are gone, or older than what the casinos have.
What is begun afterwards must hold completely, and no BetId or CashbackId that a casino has seen is given again.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from betcore.db.database import Database
from betcore.db.statements import verify_workflows
from betcore.domain.ids import BetKey, parse_workflow_id
from betcore.runtime.settings import Settings
from betcore.temporal.client import connect
from betcore.verify.rows import first_after
from devkit.chaos.cashback_books import OurCashback
from devkit.chaos.cashbacks import CashbackDesk
from devkit.chaos.load import Load
from devkit.chaos.outages import once_available
from devkit.chaos.partners import LoadProvider
from devkit.play.books import read_ours
from devkit.sandbox.provider.compare import CasinoMovement
from devkit.stack.postgres import Postgres

# Seconds of load before the backup is taken: its open bets continue in the span that is lost.
_BACKUP_AFTER = 4.0
# The span that is lost, at the least. A sequence comes back from a backup with numbers in hand, 32 of them: with fewer
# bets than that even BetIds that only count would not be given again.
_LOST = 12.0
# Above every number.
_NO_NUMBER = 2**63
_REASON = "the database was restored to a moment before this bet or cashback"
_RUNNING = "ExecutionStatus = 'Running' AND WorkflowType IN ('Bet', 'Reversal', 'Cashback')"
_GIVEN_AGAIN = text("""
    SELECT bet_id AS number, 'BetId' AS what, provider_bet_id AS name FROM bet
    WHERE opened_at >= :restored AND bet_id = ANY(CAST(:seen AS bigint[]))
    UNION ALL
    SELECT cashback_id, 'CashbackId', key FROM cashback
    WHERE opened_at >= :restored AND cashback_id = ANY(CAST(:seen AS bigint[]))
    ORDER BY number""")


class Restoring:
    """The base backup of a run. ``at`` is the time at which it replaced the database; None if it has not."""

    def __init__(
        self,
        settings: Settings,
        postgres: Postgres,
        database: Database,
        engine: AsyncEngine,
        load: Load,
        desk: CashbackDesk,
        providers: list[LoadProvider],
        say: Callable[[str], None],
    ) -> None:
        self.at: datetime | None = None
        self._settings = settings
        self._postgres = postgres
        self._copy = settings.data_dir / "postgres.backup"
        self._old = settings.data_dir / "postgres.lost"
        self._database = database
        self._engine = engine
        self._load = load
        self._desk = desk
        self._providers = providers
        self._say = say
        self._backed_up = asyncio.Event()

    async def back_up(self) -> None:
        """Take the backup in the first seconds of the load. Raises its last failure if it keeps failing."""
        await asyncio.sleep(_BACKUP_AFTER)
        await once_available(lambda: self._postgres.back_up(self._copy))
        self._say("a base backup is taken")
        await asyncio.sleep(_LOST)
        self._backed_up.set()

    async def backed_up(self) -> None:
        """Wait for the backup, and until so much has happened since that something is lost."""
        await self._backed_up.wait()

    def put_back(self) -> datetime:
        """Replace the database and set aside all that was begun; the moment. PostgreSQL must have been killed."""
        self._postgres.put_back(self._copy, self._old)
        self.at = datetime.now(UTC)
        self._load.give_up()
        self._desk.begin_anew()
        for provider in self._providers:
            provider.begin_anew()
        return self.at

    async def end_lost_workflows(self, restored_at: datetime) -> int:
        """Terminate the workflows of bets and cashbacks that the database has lost, once it answers; return their
        number."""
        # These connections are to the server that is gone.
        await self._engine.dispose()
        return await once_available(partial(self._end_lost_workflows, restored_at))

    async def _end_lost_workflows(self, restored_at: datetime) -> int:
        try:
            client = await connect(self._settings)
            return sum([await _terminated(client, one) for one in await self._lost(client, restored_at)])
        except (RPCError, RuntimeError) as away:
            raise ConnectionError(f"Temporal: {away}") from away

    async def _lost(self, client: Client, restored_at: datetime) -> list[str]:
        listed = client.list_workflows(_RUNNING)
        running = [one.id async for one in listed if one.start_time < restored_at]
        bets = [parse_workflow_id(one) for one in running]
        keys = [one if isinstance(one, BetKey) else None for one in bets]
        given = {
            "workflow_ids": running,
            "reverses": [False for _ in running],
            "numbers": [None if isinstance(one, BetKey) else one for one in bets],
            "counterparties": [key and key.counterparty_id for key in keys],
            "provider_bet_ids": [key and key.provider_bet_id for key in keys],
            "settled": None,
        }
        rows = await self._database.all_rows(verify_workflows.ROWS_OF_WORKFLOWS, **given)
        return [row.workflow_id for row in rows if row.bet_id is None]

    @property
    def set_aside(self) -> int:
        """Return how many bets are not judged."""
        return sum(len(book) for provider in self._providers for book in provider.aside)

    async def judged(self, provider: LoadProvider, movements: Sequence[CasinoMovement]) -> list[CasinoMovement]:
        """Return the movements without those of bets that were set aside; one that comes to life again has a later
        BetId."""
        after = await first_after(self._database, self.at)
        alive = await read_ours(self._engine, provider.counterparty_id, provider.names_aside)
        aside = {row.casino_bet_id for row in alive.values()}
        return [one for one in movements if one.casino_bet_id > after and one.casino_bet_id not in aside]

    def judged_cashbacks(
        self, ours: Sequence[OurCashback], movements: Sequence[CasinoMovement]
    ) -> list[CasinoMovement]:
        """Return the movements without those of cashbacks that were set aside: none of these has a row of ``ours``,
        the rows since the restore, and their numbers are lower."""
        first = 0 if self.at is None else min((row.cashback_id for row in ours), default=_NO_NUMBER)
        return [one for one in movements if one.casino_bet_id >= first]

    async def given_again(self) -> list[str]:
        """Return the numbers that a casino had seen before the restore and that were given again after it."""
        if self.at is None:
            return []
        seen: set[int] = set()
        for provider in self._providers:
            seen |= await provider.casino.handles.seen([seat.player for seat in provider.seats], self.at)
        async with self._engine.connect() as connection:
            rows = await connection.execute(_GIVEN_AGAIN, {"restored": self.at, "seen": sorted(seen)})
            return [f"{row.what} {row.number} was given again, to {row.name}" for row in rows]


async def _terminated(client: Client, workflow_id: str) -> bool:
    try:
        await client.get_workflow_handle(workflow_id).terminate(reason=_REASON)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True
