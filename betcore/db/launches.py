"""Launches of games: the sessions that they open, and which of several launches at once calls the provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from betcore.db.database import Database
from betcore.db.statements import launches
from betcore.domain.errors import PlayRefused
from betcore.domain.launch import LaunchedGame, LaunchingSession, LaunchRequest, Limits
from betcore.runtime.vault import Place, Vault

# Longer than a launch takes: after it, the process that began one without an end is gone.
LOST_AFTER = timedelta(seconds=15)


class Found(NamedTuple):
    """A game that a player wants, and its provider's ``counterparty_id``."""

    game: LaunchedGame
    counterparty_id: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that this process is to launch. ``player_ref`` is how the provider knows the player, "" a visitor."""

    session_id: str
    expires_at: datetime
    player_ref: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The last launch of a game by a player, which another call has begun.

    ``frame_uri`` is there when it has succeeded. ``lost`` is whether it does not come to an end any more.
    """

    session_id: str
    end_reason: str | None
    expires_at: datetime
    frame_uri: str | None
    lost: bool


class Launches:
    """Writes launches. What a page is opened by is encrypted: who has it plays as that player."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def find(self, casino_id: int, game_id: int) -> Found:
        """Return a game as the casino has it. Raise PlayRefused(game_unavailable) without one."""
        return found(await self._database.one_row(launches.FIND, casino_id=casino_id, game_id=game_id))

    async def open(self, session: LaunchingSession) -> Opened | None:
        """Open a session in the state *launching*, and register a new player.

        Return None if the same launch by another call is under way, or was a minute ago at most. Raise
        PlayRefused(player_blocked) if an operator blocks the player.
        """
        return opened(await self._database.one_row(launches.OPEN, **opening(session)))

    async def standing(self, request: LaunchRequest) -> Standing | None:
        """Return the player's last launch of the game, None without one."""
        row = await self._database.one_row(launches.STANDING, **_key(request), lost_after=LOST_AFTER)
        if row is None:
            return None
        frame_uri = None if row.frame_uri is None else self._vault.open(row.frame_uri, _place(row.session_id))
        return Standing(row.session_id, row.end_reason, row.expires_at, frame_uri, row.lost)

    async def launched(self, session_id: str, frame_uri: str) -> bool:
        """Record that the provider has launched the game; return False if the session was ended in between."""
        given = {"session_id": session_id, "frame_uri": self._vault.seal(frame_uri, _place(session_id))}
        return await self._database.one_row(launches.LAUNCHED, **given) is not None

    async def end(self, session_id: str, reason: str) -> None:
        """End the session of a launch that has failed."""
        await self._database.execute(launches.ENDED, session_id=session_id, reason=reason)

    async def end_as_unknown(self, session_id: str, reason: str) -> str | None:
        """End the session of a game that its provider does not know.

        Return the counterparty id of the provider if its games are to be synced at once, else None.
        """
        row = await self._database.one_row(launches.ENDED_AS_UNKNOWN, session_id=session_id, reason=reason)
        return None if row is None else row.counterparty_id


def found(row: launches.FoundRow | None) -> Found:
    """Return the game of a row. Raise PlayRefused(game_unavailable) without one."""
    if row is None:
        raise PlayRefused("there is no such game", code="game_unavailable")
    game = LaunchedGame(
        game_id=row.game_id,
        provider_game_id=row.provider_game_id,
        name=row.name,
        max_odd=row.max_odd,
        offered=row.offered,
        provider_enabled=row.provider_enabled,
        limited=row.limited,
        own_limits=_limits(row.game_limits),
        casino_limits=_limits(row.casino_limits),
    )
    return Found(game, row.counterparty_id)


def _limits(given: Mapping[str, list[str | None]]) -> dict[str, Limits]:
    return {
        currency: Limits(*(None if one is None else Decimal(one) for one in limits))
        for currency, limits in given.items()
    }


def opening(session: LaunchingSession) -> dict[str, object]:
    """Return what opens a session."""
    request = session.request
    return {
        **_key(request),
        "session_id": session.session_id,
        "provider_id": session.provider_id,
        "brand": request.brand,
        "min_bet": request.min_bet,
        "max_bet": session.greatest,
        "max_win": session.wins.greatest,
        "max_odd": session.wins.odd,
        "lifetime": session.lifetime,
        "tag_id": request.tag_id,
        "language": request.language,
        "view_type": request.view_type,
        "lost_after": LOST_AFTER,
    }


def opened(row: launches.OpenedRow | None) -> Opened | None:
    """Return the session of a row, if there is one. Raise PlayRefused(player_blocked)."""
    if row is not None and row.blocked:
        raise PlayRefused("the player is blocked", code="player_blocked")
    if row is None or row.session_id is None or row.expires_at is None:
        return None
    return Opened(row.session_id, row.expires_at, str(row.player_ref or ""))


def _place(session_id: str) -> Place:
    return Place("launch", session_id, "frame_uri")


def _key(request: LaunchRequest) -> dict[str, object]:
    return {
        "casino_id": request.casino.casino_id,
        "partner_user_id": request.partner_user_id,
        "game_id": request.game_id,
        "currency": request.currency,
        "mode": request.mode,
    }
