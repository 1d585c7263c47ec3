"""Sessions of the frame: who its page acts for, by the hash of its bearer."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from betcore.db.database import Database
from betcore.db.statements import frame_sessions as statements
from betcore.domain.launch import ViewType
from betcore.domain.money import Money
from betcore.domain.partners import Casino
from betcore.domain.players import AuthenticatedPlayer, token_hash
from betcore.runtime.vault import Place, Vault

# A session that no call has used for so long is renewed by the casino, or is over.
IDLE = timedelta(minutes=30)
# So long the casino's word counts, however busy the page is.
LIFETIME = timedelta(hours=12)
_KEPT_FOR = timedelta(days=1)
_BEARER_BYTES = 32  # 43 characters of URL-safe base64
_BALANCE_AT_MOST_EVERY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class OpenedWith:
    """How a frame was opened."""

    language: str
    view_type: ViewType
    tag_id: int


@dataclass(frozen=True, slots=True)
class FramePlayer:
    """The player of a frame; ``blocked`` is whether an operator has blocked him."""

    player_id: int
    partner_user_id: str
    currency: str
    blocked: bool
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FrameSession:
    """A session of the frame; ``player`` is None for a visitor, and ``in_force`` is whether it was used in time."""

    bearer: str = field(repr=False)
    casino_id: int
    player: FramePlayer | None
    opened_with: OpenedWith
    in_force: bool


class FrameSessions:
    """Reads and writes sessions of frames. A bearer stands there as its hash, a refresh token encrypted."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def open(self, casino: Casino, player: AuthenticatedPlayer | None, opened_with: OpenedWith) -> str:
        """Open a session, for a visitor without a player; return its bearer."""
        bearer = secrets.token_urlsafe(_BEARER_BYTES)
        await self._database.execute(
            statements.OPEN,
            bearer_hash=token_hash(bearer),
            casino_id=casino.casino_id,
            player_id=player.player_id if player else None,
            currency=player.currency if player else None,
            refresh_token=_sealed(self._vault, player) if player else None,
            token_hash=token_hash(player.refresh_token) if player else None,
            language=opened_with.language,
            view_type=opened_with.view_type,
            tag_id=opened_with.tag_id,
            idle=IDLE,
        )
        return bearer

    async def use(self, bearer: str) -> FrameSession | None:
        """Return the session of a bearer, whose time begins anew if it is in force; None if it is unknown."""
        row = await self._database.one_row(statements.USE, bearer_hash=token_hash(bearer), idle=IDLE, lifetime=LIFETIME)
        if row is None:
            return None
        player = None
        if row.player_id is not None and row.partner_user_id and row.currency and row.refresh_token:
            token = self._vault.open(row.refresh_token, _place(row.player_id))
            player = FramePlayer(row.player_id, row.partner_user_id, row.currency, row.blocked, token)
        view_type: ViewType = "mobile" if row.view_type == "mobile" else "desktop"
        opened_with = OpenedWith(row.language, view_type, row.tag_id)
        return FrameSession(bearer, row.casino_id, player, opened_with, row.in_force)

    async def renew(self, session: FrameSession, held: str, player: AuthenticatedPlayer) -> None:
        """Let a session begin anew, as the casino has named its player again for the token ``held``.

        So do the player's other sessions that hold this token: it was exchanged for all of them.
        """
        await self._database.execute(
            statements.RENEW,
            bearer_hash=token_hash(session.bearer),
            held=token_hash(held),
            player_id=player.player_id,
            currency=player.currency,
            refresh_token=_sealed(self._vault, player),
            token_hash=token_hash(player.refresh_token),
            idle=IDLE,
        )

    async def end_game(self, session: FrameSession, session_id: str) -> None:
        """End a game's session if it is that of this player, or of a visitor of this casino; its bets go on."""
        player_id = session.player.player_id if session.player else None
        await self._database.one_row(
            statements.END_GAME, session_id=session_id, player_id=player_id, casino_id=session.casino_id
        )

    async def forget(self) -> None:
        """Delete sessions that have been over for a day."""
        await self._database.execute(statements.FORGET, kept_for=_KEPT_FOR)


def _sealed(vault: Vault, player: AuthenticatedPlayer) -> str:
    return vault.seal(player.refresh_token, _place(player.player_id))


def _place(player_id: int) -> Place:
    # A token is that of all sessions of its player that hold it.
    return Place("frame_session", player_id, "refresh_token")


class ShownBalances:
    """Balances that the frame has read from casinos, for all processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, player: FramePlayer) -> datetime | None:
        """Return the time if the casino may be asked for the balance now; None if it was asked within five seconds."""
        row = await self._database.one_row(
            statements.ASK_BALANCE,
            player_id=player.player_id,
            currency=player.currency,
            at_most_every=_BALANCE_AT_MOST_EVERY,
        )
        return row.asked_at if row else None

    async def keep(self, player: FramePlayer, balance: Money, asked_at: datetime) -> None:
        """Keep the answer to what was asked then."""
        await self._database.execute(
            statements.KEEP_BALANCE,
            player_id=player.player_id,
            currency=player.currency,
            balance=balance.minor,
            asked_at=asked_at,
        )

    async def last(self, player: FramePlayer) -> tuple[datetime, Money] | None:
        """Return the last balance that was read, and when it was asked for."""
        row = await self._database.one_row(
            statements.SHOWN_BALANCE, player_id=player.player_id, currency=player.currency
        )
        return (row.balance_at, Money(minor=int(row.balance), currency=player.currency)) if row else None
