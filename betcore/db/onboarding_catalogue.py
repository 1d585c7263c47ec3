"""Setting up what is played: games, players and sessions. What the commands of the same names do."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Executable, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from betcore.db import validation
from betcore.db.onboarding import Json
from betcore.db.tables import casino, game, player, provider, session
from betcore.domain.errors import InvalidInput, NotFound, PreconditionCode, PreconditionFailed


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
        """A new game of a provider; limits are decimals in major units of whatever currency a session has."""
        least, greatest = validation.limits(min_bet, max_bet)
        async with self._transaction() as connection:
            owner = await _one(connection, select(provider).where(provider.c.name == provider_name), "provider")
            statement = insert(game).values(
                provider_id=owner.provider_id,
                provider_game_id=validation.name("game-id", game_id),
                name=validation.name("name", name),
                min_bet=least,
                max_bet=greatest,
            )
            row = (await connection.execute(statement.on_conflict_do_nothing().returning(game))).one_or_none()
        if row is None:
            raise PreconditionFailed(f"{provider_name!r} has a game {game_id!r} already", code="already_exists")
        return _game(provider_name, row)

    async def games(self, provider_name: str | None = None) -> list[Json]:
        """All games, or those of one provider."""
        query = select(game, provider.c.name.label("provider")).join(provider, _OF_PROVIDER)
        async with self._engine.connect() as connection:
            if provider_name is not None:
                await _one(connection, select(provider).where(provider.c.name == provider_name), "provider")
                query = query.where(provider.c.name == provider_name)
            rows = await _all(connection, query.order_by(provider.c.name, game.c.provider_game_id))
        return [_game(row.provider, row) for row in rows]

    async def game(self, provider_name: str, game_id: str) -> Json:
        """Return one game of a provider."""
        query = select(game).where(_OF_PROVIDER, provider.c.name == provider_name, game.c.provider_game_id == game_id)
        async with self._engine.connect() as connection:
            return _game(provider_name, await _one(connection, query, "game of that provider"))

    async def disable_game(self, provider_name: str, game_id: str) -> Json:
        """Take no new stakes on a game; open bets go on. Disabling twice keeps the first time."""
        return await self._switch_game(provider_name, game_id, func.coalesce(game.c.disabled_at, func.now()))

    async def enable_game(self, provider_name: str, game_id: str) -> Json:
        """Take new stakes on a game again. One that is enabled stays so."""
        return await self._switch_game(provider_name, game_id, None)

    async def _switch_game(self, provider_name: str, game_id: str, disabled_at: Any) -> Json:
        statement = (
            update(game)
            .where(_OF_PROVIDER, provider.c.name == provider_name, game.c.provider_game_id == game_id)
            .values(disabled_at=disabled_at)
        )
        async with self._engine.connect() as connection:
            return _game(provider_name, await _one(connection, statement.returning(game), "game of that provider"))

    async def block(self, casino_name: str, user: str, *, blocked: bool) -> Json:
        """Block a player (``user`` is the casino's PartnerUserId) for new stakes, or lift it; wins go through."""
        statement = (
            update(player)
            .where(_AT_CASINO, casino.c.name == casino_name, player.c.partner_user_id == user)
            .values(blocked_at=func.coalesce(player.c.blocked_at, func.now()) if blocked else None)
        )
        async with self._engine.connect() as connection:
            row = await _one(connection, statement.returning(player), "player at that casino")
        return {"casino": casino_name, "player": user, "player_ref": row.player_ref, "blocked": blocked}

    async def open_session(
        self, provider_name: str, casino_name: str, game_id: str, user: str, currency: str, mode: str = "real"
    ) -> Json:
        """Open a session, registering the player when new; its ``session_id`` is a UUID."""
        if mode not in ("real", "demo"):
            raise InvalidInput("mode: real or demo", code="invalid_mode")
        async with self._transaction() as connection:
            house = await _enabled(connection, select(casino).where(casino.c.name == casino_name), "casino")
            owner = await _enabled(connection, select(provider).where(provider.c.name == provider_name), "provider")
            if owner.suspended_at is not None:
                raise PreconditionFailed("the provider is suspended", code="provider_suspended")
            of_owner = game.c.provider_id == owner.provider_id
            played = await _enabled(
                connection, select(game).where(of_owner, game.c.provider_game_id == game_id), "game"
            )
            values = {
                "session_id": str(uuid4()),
                "provider_id": owner.provider_id,
                "player_id": await _registered(connection, house.casino_id, user),
                "game_id": played.game_id,
                "currency": validation.currency(currency, played.min_bet, played.max_bet),
                "mode": mode,
            }
            row = (await connection.execute(insert(session).values(**values).returning(session))).one()
        return _session(row)

    async def open_session_of(self, provider_name: str, casino_name: str, game_id: str, user: str) -> Json | None:
        """The newest session for real money that is open for this player in this game; None where there is none."""
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
            rows = await _all(connection, query.limit(1))
        return _session(rows[0]) if rows else None

    async def close_session(self, session_id: str) -> Json:
        """End a session for new stakes; its open bets go on. Closing twice keeps the first time."""
        ended = func.coalesce(session.c.ended_at, func.now())
        statement = update(session).where(session.c.session_id == session_id).values(ended_at=ended)
        async with self._engine.connect() as connection:
            return _session(await _one(connection, statement.returning(session), "session"))

    def _transaction(self) -> Any:
        return self._engine.execution_options(isolation_level="READ COMMITTED").begin()


_DISABLED: dict[str, PreconditionCode] = {
    "provider": "provider_disabled",
    "casino": "casino_disabled",
    "game": "game_disabled",
}
_OF_PROVIDER = provider.c.provider_id == game.c.provider_id
_AT_CASINO = casino.c.casino_id == player.c.casino_id


async def _all(connection: AsyncConnection, statement: Executable) -> Sequence[Row[Any]]:
    return (await connection.execute(statement)).all()


async def _one(connection: AsyncConnection, statement: Executable, what: str) -> Row[Any]:
    rows = await _all(connection, statement)
    if not rows:
        raise NotFound(f"there is no such {what}")
    return rows[0]


async def _enabled(connection: AsyncConnection, statement: Executable, what: str) -> Row[Any]:
    row = await _one(connection, statement, what)
    if row.disabled_at is not None:
        raise PreconditionFailed(f"the {what} is disabled", code=_DISABLED[what])
    return row


async def _registered(connection: AsyncConnection, casino_id: int, user: str) -> int:
    values = {"casino_id": casino_id, "partner_user_id": validation.name("player", user)}
    await connection.execute(insert(player).values(**values).on_conflict_do_nothing())
    query = select(player).where(player.c.casino_id == casino_id, player.c.partner_user_id == user)
    return int((await _one(connection, query, "player")).player_id)


def _game(provider_name: str, row: Row[Any]) -> Json:
    return {
        "provider": provider_name,
        "game_id": row.provider_game_id,
        "name": row.name,
        "min_bet": None if row.min_bet is None else f"{row.min_bet:f}",
        "max_bet": None if row.max_bet is None else f"{row.max_bet:f}",
        "disabled": row.disabled_at is not None,
    }


def _session(row: Row[Any]) -> Json:
    return {
        "session_id": row.session_id,
        "currency": row.currency,
        "mode": row.mode,
        "opened_at": row.opened_at.isoformat(),
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
    }
