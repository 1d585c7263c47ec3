"""The limits of stakes of games and casinos, for each currency: the commands ``set-limits`` call it."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Executable, Table, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from betcore.db import validation
from betcore.db.onboarding import Json
from betcore.db.onboarding_queries import CasinoRow, every, named, only
from betcore.db.tables import casino, casino_limit, game, game_limit, provider


@dataclass(frozen=True, slots=True)
class LimitRow:
    """Limits in one currency, in its major units."""

    currency: str
    min_bet: Decimal | None
    max_bet: Decimal | None


@dataclass(frozen=True, slots=True)
class _GameIdRow:
    game_id: int


class Limits:
    """Sets and reads the limits of games and casinos, which are addressed by name.

    Every method raises NotFound, and InvalidInput: ``unknown_currency``, ``invalid_limits``.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def set_game(
        self, provider_name: str, game_id: str, currency: str, min_bet: str | None, max_bet: str | None
    ) -> Json:
        """Replace a game's limits in one currency, and return those of all; without either it has none in that one."""
        async with self._engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            number = await _game_id(connection, provider_name, game_id)
            await replace_limits(connection, game_limit, number, currency, min_bet, max_bet)
            return await limits_of(connection, game_limit, number)

    async def of_game(self, provider_name: str, game_id: str) -> Json:
        """Return a game's limits by currency."""
        async with self._engine.connect() as connection:
            return await limits_of(connection, game_limit, await _game_id(connection, provider_name, game_id))

    async def set_casino(self, name: str, currency: str, min_bet: str | None, max_bet: str | None) -> Json:
        """Replace a casino's limits in one currency, and return those of all; without either it has none in that."""
        async with self._engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            found = await only(connection, named(casino, name), CasinoRow, "casino")
            await replace_limits(connection, casino_limit, found.casino_id, currency, min_bet, max_bet)
            return await limits_of(connection, casino_limit, found.casino_id)

    async def of_casino(self, name: str) -> Json:
        """Return a casino's limits by currency."""
        async with self._engine.connect() as connection:
            found = await only(connection, named(casino, name), CasinoRow, "casino")
            return await limits_of(connection, casino_limit, found.casino_id)


async def _game_id(connection: AsyncConnection, provider_name: str, game_id: str) -> int:
    query = (
        select(game.c.game_id)
        .join(provider, provider.c.provider_id == game.c.provider_id)
        .where(provider.c.name == provider_name, game.c.provider_game_id == game_id)
    )
    return (await only(connection, query, _GameIdRow, "game of that provider")).game_id


async def replace_limits(
    connection: AsyncConnection, table: Table, owner: int, currency: str, min_bet: str | None, max_bet: str | None
) -> None:
    """Set the limits of a game or casino in one currency. Raise InvalidInput."""
    least, greatest = validation.limits(currency, min_bet, max_bet)
    of_owner = next(iter(table.primary_key))
    given = {of_owner.name: owner, "currency": currency, "min_bet": least, "max_bet": greatest}
    written = insert(table).values(**given)
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={"min_bet": written.excluded.min_bet, "max_bet": written.excluded.max_bet},
        )
    )


async def limits_of(connection: AsyncConnection, table: Table, owner: int) -> Json:
    """Return the limits of a game or casino by currency, as people read them."""
    of_owner = next(iter(table.primary_key))
    query: Executable = select(table).where(of_owner == owner).order_by(table.c.currency)
    return limits_text(await every(connection, query, LimitRow))


def limits_text(rows: list[LimitRow]) -> Json:
    """Return limits by currency as people read them."""
    return {row.currency: {"min_bet": _text(row.min_bet), "max_bet": _text(row.max_bet)} for row in rows}


def _text(limit: Decimal | None) -> str | None:
    return None if limit is None else f"{limit:f}"
