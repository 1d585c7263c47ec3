"""The pools of this service: set up, booked, adjusted and shown."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from betcore.db.database import Database
from betcore.db.statements import jackpot_pools
from betcore.db.statements.jackpot_pools import AdjustedRow, BookedRow, EntryRow, PoolRow, ShownRow
from betcore.domain.errors import NotFound, PreconditionFailed
from betcore.domain.jackpots import NewPool

# A second operator who comes later sees another pool: the first one has to look again too.
PROPOSED_FOR = timedelta(hours=1)


class JackpotPools:
    """The pools of one database. Amounts are in minor units of a pool's currency."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def can_win(self, jackpot_id: int, casino_id: int, game_id: int, currency: str) -> bool:
        """Return whether a bet of this casino, game and currency can win a pool: one to which it contributes.

        One that was disabled can be won: its players have paid for it.
        """
        given = {"jackpot_id": jackpot_id, "casino_id": casino_id, "game_id": game_id, "currency": currency}
        return await self._database.one_row(jackpot_pools.CAN_WIN, **given) is not None

    async def add(self, pool: NewPool) -> PoolRow:
        """Add a pool with its seed.

        Raises NotFound without such a casino, provider or game, and PreconditionFailed(already_exists).
        """
        made = await self._database.one_row(
            jackpot_pools.ADD,
            casino=pool.casino,
            provider=pool.provider,
            name=pool.name,
            currency=pool.seed.currency,
            provider_game_id=pool.game_id,
            category=pool.category,
            share=pool.share,
            seed=pool.seed.minor,
        )
        if made is not None:
            return await self.pool(made.jackpot_id)
        if any(row.name == pool.name for row in await self.pools(pool.casino)):
            raise PreconditionFailed(f"{pool.casino} has a jackpot {pool.name}", code="already_exists")
        raise NotFound("no such casino, provider or game")

    async def pools(self, casino: str | None) -> Sequence[PoolRow]:
        """Return all pools, or those of a casino."""
        return await self._database.all_rows(jackpot_pools.LIST, casino=casino)

    async def pool(self, jackpot_id: int) -> PoolRow:
        """Return a pool. Raises NotFound."""
        row = await self._database.one_row(jackpot_pools.SHOW, jackpot_id=jackpot_id)
        if row is None:
            raise NotFound(f"no jackpot {jackpot_id}")
        return row

    async def entries(self, jackpot_id: int, limit: int) -> Sequence[EntryRow]:
        """Return the newest entries of a pool's journal, newest first."""
        return await self._database.all_rows(jackpot_pools.ENTRIES, jackpot_id=jackpot_id, limit=limit)

    async def unbooked(self, jackpot_id: int) -> int:
        """Return how many stakes a pool has still to book."""
        [row] = await self._database.all_rows(jackpot_pools.UNBOOKED, jackpot_id=jackpot_id)
        return row.stakes

    async def disable(self, jackpot_id: int) -> None:
        """Let a pool take no contributions, and be shown no more; a win of it is still paid. Raises NotFound."""
        if await self._database.one_row(jackpot_pools.DISABLE, jackpot_id=jackpot_id) is None:
            raise NotFound(f"no jackpot {jackpot_id}")

    async def exist(self) -> bool:
        """Return whether there is any pool."""
        return await self._database.one_row(jackpot_pools.ANY) is not None

    async def due(self) -> Sequence[int]:
        """Return the pools that have stakes to book."""
        return [row.jackpot_id for row in await self._database.all_rows(jackpot_pools.DUE)]

    async def book(self, jackpot_id: int, limit: int) -> BookedRow | None:
        """Book at most ``limit`` stakes as one entry; return what was booked, None if there was nothing."""
        return await self._database.one_row(jackpot_pools.BOOK, jackpot_id=jackpot_id, limit=limit)

    async def adjust(self, jackpot_id: int, amount: int, operator: str, reason: str) -> AdjustedRow:
        """Change a pool by an amount, which may be negative, once a second operator asks for the same.

        Raises NotFound, and PreconditionFailed(operation_refused) if the pool has less, or the same operator asks
        again.
        """
        row = await self._database.one_row(
            jackpot_pools.ADJUST,
            jackpot_id=jackpot_id,
            amount=Decimal(amount),
            operator=operator,
            reason=reason,
            proposed_for=PROPOSED_FOR,
        )
        if row is None:
            raise NotFound(f"no jackpot {jackpot_id}")
        if row.verdict == "below_zero":
            raise PreconditionFailed("the jackpot has less than that", code="operation_refused")
        if row.verdict == "asked_before":
            message = f"{operator} has asked for this already: another operator has to ask for the same"
            raise PreconditionFailed(message, code="operation_refused")
        return row

    async def accumulated(self, casino_id: int, currency: str | None, game_type: str | None) -> Sequence[ShownRow]:
        """Return the pools that a casino's pages show."""
        given = {"casino_id": casino_id, "currency": currency, "game_type": game_type}
        return await self._database.all_rows(jackpot_pools.ACCUMULATED, **given)
