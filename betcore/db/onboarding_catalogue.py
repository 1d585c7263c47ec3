"""The set-up of games: the commands ``game`` call it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from betcore.db import validation
from betcore.db.onboarding import Json
from betcore.db.onboarding_limits import LimitRow, limits_of, limits_text, replace_limits
from betcore.db.onboarding_queries import ProviderRow, every, named, only
from betcore.db.tables import game, game_limit, provider
from betcore.domain.errors import InvalidInput, PreconditionFailed


@dataclass(frozen=True, slots=True)
class GameRow:
    """A game."""

    game_id: int
    provider_game_id: str
    name: str
    category: str | None
    max_odd: Decimal | None
    image_url: str | None
    extra: Json
    disabled_at: datetime | None
    gone_at: datetime | None


@dataclass(frozen=True, slots=True)
class OfferedGameRow:
    """A game, and its provider's name."""

    provider: str
    game: GameRow


@dataclass(frozen=True, slots=True)
class LimitOfGameRow:
    """A game's limits in one currency."""

    game_id: int
    limit: LimitRow


class Catalogue:
    """Adds and changes games; a game is addressed by its provider's name and its provider's id of it.

    Every method raises NotFound, PreconditionFailed(already_exists), and InvalidInput: ``invalid_name``,
    ``invalid_limits``, ``unknown_currency``.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add_game(
        self,
        provider_name: str,
        game_id: str,
        name: str,
        currency: str | None = None,
        min_bet: str | None = None,
        max_bet: str | None = None,
    ) -> Json:
        """Add a game of a provider, with limits in one currency if that is given; they are decimals in major units."""
        if currency is None and (min_bet is not None or max_bet is not None):
            raise InvalidInput("limits are of a currency: name it too", code="invalid_limits")
        async with self._engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            owner = await only(connection, named(provider, provider_name), ProviderRow, "provider")
            statement = insert(game).values(
                provider_id=owner.provider_id,
                provider_game_id=validation.name("game-id", game_id),
                name=validation.name("name", name),
            )
            rows = await every(connection, statement.on_conflict_do_nothing().returning(game), GameRow)
            if not rows:
                raise PreconditionFailed(f"{provider_name!r} has a game {game_id!r} already", code="already_exists")
            if currency is not None:
                await replace_limits(connection, game_limit, rows[0].game_id, currency, min_bet, max_bet)
            return await _shown(connection, provider_name, rows[0])

    async def games(self, provider_name: str | None = None) -> list[Json]:
        """Return all games, or those of one provider."""
        query = select(game, provider.c.name.label("provider")).join(provider, _OF_PROVIDER)
        limits = select(game_limit).join(game, game.c.game_id == game_limit.c.game_id).join(provider, _OF_PROVIDER)
        async with self._engine.connect() as connection:
            if provider_name is not None:
                await only(connection, named(provider, provider_name), ProviderRow, "provider")
                query = query.where(provider.c.name == provider_name)
                limits = limits.where(provider.c.name == provider_name)
            rows = await every(connection, query.order_by(provider.c.name, game.c.provider_game_id), OfferedGameRow)
            found: dict[int, list[LimitRow]] = {}
            for row in await every(connection, limits.order_by(game_limit.c.currency), LimitOfGameRow):
                found.setdefault(row.game_id, []).append(row.limit)
        return [_game(row.provider, row.game, limits_text(found.get(row.game.game_id, []))) for row in rows]

    async def game(self, provider_name: str, game_id: str) -> Json:
        """Return one game of a provider."""
        query = select(game).where(_OF_PROVIDER, provider.c.name == provider_name, game.c.provider_game_id == game_id)
        async with self._engine.connect() as connection:
            found = await only(connection, query, GameRow, "game of that provider")
            return await _shown(connection, provider_name, found)

    async def disable_game(self, provider_name: str, game_id: str) -> Json:
        """Refuse new stakes on a game; open bets go on. Disabling twice keeps the first time."""
        return await self._switch_game(provider_name, game_id, func.coalesce(game.c.disabled_at, func.now()))

    async def enable_game(self, provider_name: str, game_id: str) -> Json:
        """Accept new stakes on a game again; an enabled one stays so."""
        return await self._switch_game(provider_name, game_id, None)

    async def _switch_game(self, provider_name: str, game_id: str, disabled_at: ColumnElement[datetime] | None) -> Json:
        statement = (
            update(game)
            .where(_OF_PROVIDER, provider.c.name == provider_name, game.c.provider_game_id == game_id)
            .values(disabled_at=disabled_at)
        )
        async with self._engine.connect() as connection:
            found = await only(connection, statement.returning(game), GameRow, "game of that provider")
            return await _shown(connection, provider_name, found)


_OF_PROVIDER = provider.c.provider_id == game.c.provider_id


async def _shown(connection: AsyncConnection, provider_name: str, row: GameRow) -> Json:
    """Return a game with what the list of games leaves out; ``id`` is our number of it, by which casinos know it."""
    return _game(provider_name, row, await limits_of(connection, game_limit, row.game_id)) | {
        "id": row.game_id,
        "max_odd": None if row.max_odd is None else f"{row.max_odd:f}",
        "image_url": row.image_url,
        "extra": row.extra,
    }


def _game(provider_name: str, row: GameRow, limits: Json) -> Json:
    return {
        "provider": provider_name,
        "game_id": row.provider_game_id,
        "name": row.name,
        "category": row.category,
        "limits": limits,
        "offered": row.gone_at is None,
        "disabled": row.disabled_at is not None,
    }
