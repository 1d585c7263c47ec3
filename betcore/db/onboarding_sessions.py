"""The set-up of players and sessions: the commands of the same names call it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from betcore.db import validation
from betcore.db.onboarding import Json
from betcore.db.onboarding_limits import LimitRow
from betcore.db.onboarding_queries import CasinoRow, ProviderRow, enabled, every, named, only
from betcore.db.row_mapping import time_text
from betcore.db.statements.limits import STRICTEST_LIMITS
from betcore.db.tables import casino, game, game_limit, player, provider, session
from betcore.domain.errors import InvalidInput, PreconditionFailed
from betcore.domain.launch import WinRange
from betcore.domain.profiles import CasinoProfile, ProviderProfile


@dataclass(frozen=True, slots=True)
class PlayedGameRow:
    """A game; ``min_bet`` and ``max_bet`` are limits of the first schema, which had no currency."""

    game_id: int
    min_bet: Decimal | None
    max_bet: Decimal | None
    disabled_at: datetime | None
    gone_at: datetime | None


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
    brand: str | None
    state: str
    end_reason: str | None
    opened_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session is opened with: partners by name, the player by the casino's id, limits of this session alone."""

    provider: str
    casino: str
    game_id: str
    player: str
    currency: str
    mode: str = "real"
    brand: str | None = None
    min_bet: str | None = None
    max_bet: str | None = None
    max_win: str | None = None
    max_odd: str | None = None


class Sessions:
    """Opens and closes sessions, and blocks players.

    Every method raises NotFound, and InvalidInput: ``invalid_name``, ``invalid_limits``, ``invalid_mode``,
    ``unknown_currency``. A session on what is disabled is PreconditionFailed: ``provider_disabled``,
    ``provider_suspended``, ``casino_disabled``, ``game_disabled``; on a game that its provider no longer offers
    ``game_gone``; in a currency in which the game has no limits though it has some ``currency_unsupported``; and if no
    stake would be taken ``limits_empty``.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self, new: NewSession) -> Json:
        """Open a session, registering the player when new; its ``session_id`` is a UUID."""
        if new.mode not in ("real", "demo"):
            raise InvalidInput("mode: real or demo", code="invalid_mode")
        least, greatest = validation.limits(new.currency, new.min_bet, new.max_bet)
        own = WinRange(*validation.win_limits(new.currency, new.max_win, new.max_odd))
        brand = None if new.brand is None else validation.name("brand", new.brand)
        async with self._engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            house = await enabled(connection, named(casino, new.casino), CasinoRow, "casino")
            owner = await enabled(connection, named(provider, new.provider), ProviderRow, "provider")
            if owner.suspended_at is not None:
                raise PreconditionFailed("the provider is suspended", code="provider_suspended")
            wins = WinRange.of(CasinoProfile.model_validate(house.profile), new.currency, own)
            values = {
                "session_id": str(uuid4()),
                "provider_id": owner.provider_id,
                "game_id": await _played(connection, owner.provider_id, new),
                "player_id": await _registered(connection, house.casino_id, new.player),
                "currency": new.currency,
                "mode": new.mode,
                "brand": brand,
                "min_bet": least,
                "max_bet": greatest,
                "max_win": wins.greatest,
                "max_odd": wins.odd,
                "expires_at": func.now() + timedelta(seconds=_profile(owner).session_lifetime),
            }
            [row] = await every(connection, insert(session).values(**values).returning(session), SessionRow)
            await _check_limits(connection, row.session_id)
        return _session(row)

    async def newest(self, provider_name: str, casino_name: str, game_id: str, user: str) -> Json | None:
        """Return the newest session for real money of this player in this game that takes stakes, or None."""
        query = (
            select(session)
            .join(game, game.c.game_id == session.c.game_id)
            .join(provider, provider.c.provider_id == session.c.provider_id)
            .join(player, player.c.player_id == session.c.player_id)
            .join(casino, _AT_CASINO)
            .where(session.c.state != "ended", session.c.mode == "real", provider.c.name == provider_name)
            .where(or_(session.c.expires_at.is_(None), session.c.expires_at > func.now()))
            .where(casino.c.name == casino_name, game.c.provider_game_id == game_id)
            .where(player.c.partner_user_id == user)
            .order_by(session.c.opened_at.desc())
        )
        async with self._engine.connect() as connection:
            owner = await only(connection, named(provider, provider_name), ProviderRow, "provider")
            idle = timedelta(seconds=_profile(owner).session_idle)
            used = query.where(session.c.seen_at > func.now() - idle)
            rows = await every(connection, used.limit(1), SessionRow)
        return _session(rows[0]) if rows else None

    async def close(self, session_id: str) -> Json:
        """End a session for new stakes; its open bets go on. One that has ended keeps its time and reason."""
        statement = (
            update(session)
            .where(session.c.session_id == session_id)
            .values(
                state="ended",
                end_reason=func.coalesce(session.c.end_reason, "closed"),
                ended_at=func.coalesce(session.c.ended_at, func.now()),
            )
        )
        async with self._engine.connect() as connection:
            return _session(await only(connection, statement.returning(session), SessionRow, "session"))

    async def block(self, casino_name: str, user: str, *, blocked: bool) -> Json:
        """Block a player (``user`` is the casino's PartnerUserId) for new stakes, or lift it; wins go through."""
        statement = (
            update(player)
            .where(_AT_CASINO, casino.c.name == casino_name, player.c.partner_user_id == user)
            .values(blocked_at=func.coalesce(player.c.blocked_at, func.now()) if blocked else None)
        )
        async with self._engine.connect() as connection:
            row = await only(connection, statement.returning(player), PlayerRow, "player at that casino")
        return {"casino": casino_name, "player": user, "player_ref": row.player_ref, "blocked": blocked}


_AT_CASINO = casino.c.casino_id == player.c.casino_id
_IN_FORCE = text(
    f"""
SELECT s.currency, strictest.min_bet, strictest.max_bet
FROM session s
JOIN player USING (player_id)
{STRICTEST_LIMITS}
WHERE session_id = :session_id
"""
)


def _profile(owner: ProviderRow) -> ProviderProfile:
    return ProviderProfile.model_validate(owner.profile)


async def _played(connection: AsyncConnection, provider_id: int, new: NewSession) -> int:
    """Return the game's number. Raise PreconditionFailed if it is not offered, or not played in the currency.

    A game that has limits is played in their currencies alone: in another one it would have none.
    """
    of_owner = game.c.provider_id == provider_id
    query = select(game).where(of_owner, game.c.provider_game_id == new.game_id)
    played = await enabled(connection, query, PlayedGameRow, "game")
    if played.gone_at is not None:
        raise PreconditionFailed("the provider's list of games lacks it", code="game_gone")
    limits = await every(connection, select(game_limit).where(game_limit.c.game_id == played.game_id), LimitRow)
    has_limits = bool(limits) or played.min_bet is not None or played.max_bet is not None
    if has_limits and new.currency not in {limit.currency for limit in limits}:
        message = f"the game has limits, and none in {new.currency}: game set-limits"
        raise PreconditionFailed(message, code="currency_unsupported")
    return played.game_id


async def _check_limits(connection: AsyncConnection, session_id: str) -> None:
    [held] = await every(connection, _IN_FORCE.bindparams(session_id=session_id), LimitRow)
    if held.min_bet is not None and held.max_bet is not None and held.min_bet > held.max_bet:
        message = f"no stake is from {held.min_bet:f} to {held.max_bet:f}, the limits of game, casino and session"
        raise PreconditionFailed(message, code="limits_empty")


async def _registered(connection: AsyncConnection, casino_id: int, user: str) -> int:
    values = {"casino_id": casino_id, "partner_user_id": validation.name("player", user)}
    await connection.execute(insert(player).values(**values).on_conflict_do_nothing())
    query = select(player).where(player.c.casino_id == casino_id, player.c.partner_user_id == user)
    return (await only(connection, query, PlayerRow, "player")).player_id


def _session(row: SessionRow) -> Json:
    return {
        "session_id": row.session_id,
        "currency": row.currency,
        "mode": row.mode,
        "brand": row.brand,
        "state": row.state,
        "end_reason": row.end_reason,
        "opened_at": time_text(row.opened_at),
        "expires_at": time_text(row.expires_at),
        "ended_at": time_text(row.ended_at),
    }
