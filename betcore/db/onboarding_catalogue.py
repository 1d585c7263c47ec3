"""The set-up of what is played: games, players and sessions. The commands of the same names call it."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeVar
from uuid import uuid4

from sqlalchemy import ColumnElement, Executable, Table, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from betcore.db import validation
from betcore.db.engine import R, typed
from betcore.db.onboarding import Json
from betcore.db.row_mapping import time_text
from betcore.db.tables import casino, game, player, provider, session
from betcore.domain.errors import InvalidInput, NotFound, PreconditionCode, PreconditionFailed


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """A provider or a casino that games and sessions are of."""

    name: str
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProviderRow(PartnerRow):
    """A provider."""

    provider_id: int
    suspended_at: datetime | None


@dataclass(frozen=True, slots=True)
class CasinoRow(PartnerRow):
    """A casino."""

    casino_id: int


@dataclass(frozen=True, slots=True)
class GameRow:
    """A game."""

    game_id: int
    provider_game_id: str
    name: str
    min_bet: Decimal | None
    max_bet: Decimal | None
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class OfferedGameRow:
    """A game, and its provider's name."""

    provider: str
    game: GameRow


@dataclass(frozen=True, slots=True)
class PlayerRow:
    """A player; ``player_ref`` is the opaque name by which providers know him."""

    player_id: int
    player_ref: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session."""

    session_id: str
    currency: str
    mode: str
    opened_at: datetime
    ended_at: datetime | None


class Switchable(Protocol):
    """What can be switched off."""

    @property
    def disabled_at(self) -> datetime | None:
        """Return since when it is switched off."""


S = TypeVar("S", bound=Switchable)


class Catalogue:
    """Adds and changes games, players and sessions; providers and casinos are addressed by name.

    Every method raises NotFound, PreconditionFailed(already_exists), and InvalidInput: ``invalid_name``,
    ``invalid_limits``, ``invalid_mode``, ``unknown_currency``. A session on what is switched off is PreconditionFailed:
    ``provider_disabled``, ``provider_suspended``, ``casino_disabled``, ``game_disabled``.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add_game(
        self, provider_name: str, game_id: str, name: str, min_bet: str | None = None, max_bet: str | None = None
    ) -> Json:
        """Add a game of a provider; limits are decimals in major units of the session's currency."""
        least, greatest = validation.limits(min_bet, max_bet)
        async with self._transaction() as connection:
            owner = await _one(connection, _named(provider, provider_name), ProviderRow, "provider")
            statement = insert(game).values(
                provider_id=owner.provider_id,
                provider_game_id=validation.name("game-id", game_id),
                name=validation.name("name", name),
                min_bet=least,
                max_bet=greatest,
            )
            rows = await _all(connection, statement.on_conflict_do_nothing().returning(game), GameRow)
        if not rows:
            raise PreconditionFailed(f"{provider_name!r} has a game {game_id!r} already", code="already_exists")
        return _game(provider_name, rows[0])

    async def games(self, provider_name: str | None = None) -> list[Json]:
        """Return all games, or those of one provider."""
        query = select(game, provider.c.name.label("provider")).join(provider, _OF_PROVIDER)
        async with self._engine.connect() as connection:
            if provider_name is not None:
                await _one(connection, _named(provider, provider_name), ProviderRow, "provider")
                query = query.where(provider.c.name == provider_name)
            rows = await _all(connection, query.order_by(provider.c.name, game.c.provider_game_id), OfferedGameRow)
        return [_game(row.provider, row.game) for row in rows]

    async def game(self, provider_name: str, game_id: str) -> Json:
        """Return one game of a provider."""
        query = select(game).where(_OF_PROVIDER, provider.c.name == provider_name, game.c.provider_game_id == game_id)
        async with self._engine.connect() as connection:
            return _game(provider_name, await _one(connection, query, GameRow, "game of that provider"))

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
            return _game(
                provider_name, await _one(connection, statement.returning(game), GameRow, "game of that provider")
            )

    async def block(self, casino_name: str, user: str, *, blocked: bool) -> Json:
        """Block a player (``user`` is the casino's PartnerUserId) for new stakes, or lift it; wins go through."""
        statement = (
            update(player)
            .where(_AT_CASINO, casino.c.name == casino_name, player.c.partner_user_id == user)
            .values(blocked_at=func.coalesce(player.c.blocked_at, func.now()) if blocked else None)
        )
        async with self._engine.connect() as connection:
            row = await _one(connection, statement.returning(player), PlayerRow, "player at that casino")
        return {"casino": casino_name, "player": user, "player_ref": row.player_ref, "blocked": blocked}

    async def open_session(
        self, provider_name: str, casino_name: str, game_id: str, user: str, currency: str, mode: str = "real"
    ) -> Json:
        """Open a session, registering the player when new; its ``session_id`` is a UUID."""
        if mode not in ("real", "demo"):
            raise InvalidInput("mode: real or demo", code="invalid_mode")
        async with self._transaction() as connection:
            house = await _enabled(connection, _named(casino, casino_name), CasinoRow, "casino")
            owner = await _enabled(connection, _named(provider, provider_name), ProviderRow, "provider")
            if owner.suspended_at is not None:
                raise PreconditionFailed("the provider is suspended", code="provider_suspended")
            of_owner = game.c.provider_id == owner.provider_id
            played = await _enabled(
                connection, select(game).where(of_owner, game.c.provider_game_id == game_id), GameRow, "game"
            )
            values = {
                "session_id": str(uuid4()),
                "provider_id": owner.provider_id,
                "player_id": await _registered(connection, house.casino_id, user),
                "game_id": played.game_id,
                "currency": validation.currency(currency, played.min_bet, played.max_bet),
                "mode": mode,
            }
            [row] = await _all(connection, insert(session).values(**values).returning(session), SessionRow)
        return _session(row)

    async def open_session_of(self, provider_name: str, casino_name: str, game_id: str, user: str) -> Json | None:
        """Return the newest open session for real money of this player in this game, or None."""
        query = (
            select(session)
            .join(game, game.c.game_id == session.c.game_id)
            .join(provider, provider.c.provider_id == session.c.provider_id)
            .join(player, player.c.player_id == session.c.player_id)
            .join(casino, _AT_CASINO)
            .where(session.c.ended_at.is_(None), session.c.mode == "real", provider.c.name == provider_name)
            .where(casino.c.name == casino_name, game.c.provider_game_id == game_id)
            .where(player.c.partner_user_id == user)
            .order_by(session.c.opened_at.desc())
        )
        async with self._engine.connect() as connection:
            rows = await _all(connection, query.limit(1), SessionRow)
        return _session(rows[0]) if rows else None

    async def close_session(self, session_id: str) -> Json:
        """End a session for new stakes; its open bets go on. Closing twice keeps the first time."""
        ended = func.coalesce(session.c.ended_at, func.now())
        statement = update(session).where(session.c.session_id == session_id).values(ended_at=ended)
        async with self._engine.connect() as connection:
            return _session(await _one(connection, statement.returning(session), SessionRow, "session"))

    def _transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._engine.execution_options(isolation_level="READ COMMITTED").begin()


_DISABLED: dict[str, PreconditionCode] = {
    "provider": "provider_disabled",
    "casino": "casino_disabled",
    "game": "game_disabled",
}
_OF_PROVIDER = provider.c.provider_id == game.c.provider_id
_AT_CASINO = casino.c.casino_id == player.c.casino_id


def _named(partners: Table, name: str) -> Executable:
    return select(partners).where(partners.c.name == name)


async def _all(connection: AsyncConnection, statement: Executable, row: type[R]) -> list[R]:
    return typed(await connection.execute(statement), row)


async def _one(connection: AsyncConnection, statement: Executable, row: type[R], what: str) -> R:
    rows = await _all(connection, statement, row)
    if not rows:
        raise NotFound(f"there is no such {what}")
    return rows[0]


async def _enabled(connection: AsyncConnection, statement: Executable, row: type[S], what: str) -> S:
    found = await _one(connection, statement, row, what)
    if found.disabled_at is not None:
        raise PreconditionFailed(f"the {what} is disabled", code=_DISABLED[what])
    return found


async def _registered(connection: AsyncConnection, casino_id: int, user: str) -> int:
    values = {"casino_id": casino_id, "partner_user_id": validation.name("player", user)}
    await connection.execute(insert(player).values(**values).on_conflict_do_nothing())
    query = select(player).where(player.c.casino_id == casino_id, player.c.partner_user_id == user)
    return (await _one(connection, query, PlayerRow, "player")).player_id


def _game(provider_name: str, row: GameRow) -> Json:
    return {
        "provider": provider_name,
        "game_id": row.provider_game_id,
        "name": row.name,
        "min_bet": None if row.min_bet is None else f"{row.min_bet:f}",
        "max_bet": None if row.max_bet is None else f"{row.max_bet:f}",
        "disabled": row.disabled_at is not None,
    }


def _session(row: SessionRow) -> Json:
    return {
        "session_id": row.session_id,
        "currency": row.currency,
        "mode": row.mode,
        "opened_at": time_text(row.opened_at),
        "ended_at": time_text(row.ended_at),
    }
