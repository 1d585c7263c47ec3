"""The frame's API: open, games, launch, balance and close, for the frame's page alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC

from starlette.requests import Request

from api import body_fields
from api.body_fields import Fields
from api.caller_limits import CallerLimits, caller_address
from api.launcher import Launcher
from api.player_auth import PlayerAuth
from api.request_metrics import called_by
from api.webframe import schemas
from api.webframe.balances import FrameBalances
from api.webframe.texts import Texts
from betcore.db.frame_sessions import IDLE, FramePlayer, FrameSession, FrameSessions, OpenedWith
from betcore.db.lobby import Lobby
from betcore.db.partners import Partners
from betcore.db.statements.lobby import LobbyGameRow
from betcore.domain.errors import NotAuthorised, PlayRefused
from betcore.domain.launch import LaunchRequest
from betcore.domain.partners import Casino

_BEARER = re.compile(r"[A-Za-z0-9_-]{43}")

Value = dict[str, object]


@dataclass(slots=True)
class FrameCall:
    """One call; ``language`` is that of its answer, as far as it is known."""

    request: Request
    language: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Visit:
    """A frame that is open, and its casino."""

    session: FrameSession
    casino: Casino


class FrameApi:
    """Answers the frame's page."""

    def __init__(
        self,
        texts: Texts,
        partners: Partners,
        limits: CallerLimits,
        sessions: FrameSessions,
        auth: PlayerAuth,
        launcher: Launcher,
        lobby: Lobby,
        balances: FrameBalances,
    ) -> None:
        self._texts = texts
        self._partners = partners
        self._limits = limits
        self._sessions = sessions
        self._auth = auth
        self._launcher = launcher
        self._lobby = lobby
        self._balances = balances

    async def open(self, call: FrameCall) -> Value:
        """Open a frame: for the player of a token, or for a visitor without one."""
        call.language = body_fields.language(call.fields, "language") or call.language
        asked = schemas.read_open(call.fields)
        account = await self._partners.account(asked.client_id)
        await self._limits.count_frame(account.casino if account else None, caller_address(call.request))
        if account is None or asked.origin not in account.casino.profile.origins:
            raise NotAuthorised("no page of this origin may embed the frame of this casino")
        casino = account.casino
        called_by(casino.name)
        if casino.disabled:
            raise PlayRefused("the casino is disabled", code="casino_disabled")
        player = await self._auth.authenticate(casino, asked.token, asked.tag_id) if asked.token else None
        opened_with = OpenedWith(asked.language, asked.view_type, asked.tag_id)
        return {
            "bearer": await self._sessions.open(casino, player, opened_with),
            "expiresIn": int(IDLE.total_seconds()),
            "language": self._texts.nearest(asked.language),
            "player": {"currency": player.currency} if player else None,
        }

    async def games(self, call: FrameCall) -> Value:
        """Return games that can be played now, by pages, and the categories that have some."""
        visit = await self._visit(call)
        player = visit.session.player
        page = await self._lobby.page(schemas.read_query(call.fields, player.currency if player else None))
        return {
            "games": [_game(row) for row in page.games],
            "categories": await self._lobby.categories(),
            "nextCursor": schemas.cursor(page.more),
        }

    async def launch(self, call: FrameCall) -> Value:
        """Launch a game for the player; a visitor gets a demo."""
        visit = await self._visit(call)
        asked, session = schemas.read_launch(call.fields), visit.session
        player = session.player
        launched = await self._launcher.launch(
            LaunchRequest(
                casino=visit.casino,
                partner_user_id=player.partner_user_id if player else None,
                game_id=asked.game_id,
                currency=player.currency if player else await self._lobby.demo_currency(asked.game_id),
                language=session.opened_with.language,
                own_host=call.request.headers.get("host", ""),
                mode=asked.mode,
                view_type=session.opened_with.view_type,
                tag_id=session.opened_with.tag_id,
            )
        )
        return {
            "sessionId": launched.session_id,
            "frameUri": launched.frame_uri,
            "game": {"gameId": launched.game_id, "name": launched.game_name},
            "mode": launched.mode,
            "currency": launched.currency,
            "expiresAt": launched.expires_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }

    async def balance(self, call: FrameCall) -> Value:
        """Return the player's balance as a decimal text."""
        visit = await self._visit(call)
        player = visit.session.player
        if player is None:
            raise PlayRefused("a visitor has no balance", code="token_invalid")
        shown = await self._balances.current(visit.casino, player, visit.session.opened_with.tag_id)
        return {"balance": str(shown), "currency": player.currency}

    async def close(self, call: FrameCall) -> Value:
        """End a game's session for new stakes; its open bets go on."""
        visit = await self._visit(call)
        await self._sessions.end_game(visit.session, schemas.read_close(call.fields))
        return {}

    async def _visit(self, call: FrameCall) -> Visit:
        """Return the frame of a call's bearer, renewed by its casino if it was not used in time.

        Raises PlayRefused, and TooManyCalls.
        """
        session = await self._session(call)
        casino = await self._partners.casino(session.casino_id)
        call.language = session.opened_with.language
        called_by(casino.name)
        await self._limits.count_frame(casino, caller_address(call.request))
        if casino.disabled:
            raise PlayRefused("the casino is disabled", code="casino_disabled")
        if session.player is not None and session.player.blocked:
            raise PlayRefused("the player is blocked", code="player_blocked")
        if not session.in_force:
            session = await self._renewed(casino, session)
        return Visit(session, casino)

    async def _session(self, call: FrameCall) -> FrameSession:
        given = call.request.headers.getlist("authorization")
        scheme, _, bearer = (given[0] if len(given) == 1 else "").partition(" ")
        usable = scheme.lower() == "bearer" and _BEARER.fullmatch(bearer.strip()) is not None
        session = await self._sessions.use(bearer.strip()) if usable else None
        if session is None:
            await self._limits.count_frame(None, caller_address(call.request))
            raise PlayRefused("there is no such frame", code="session_expired")
        return session

    async def _renewed(self, casino: Casino, session: FrameSession) -> FrameSession:
        """Return the session as its casino renews it. Raises PlayRefused(session_expired) if it does not."""
        known = session.player
        if known is None:
            raise PlayRefused("the visit is over", code="session_expired")
        try:
            player = await self._auth.authenticate(casino, known.refresh_token, session.opened_with.tag_id)
        except PlayRefused as error:
            if error.code != "token_invalid":
                raise
            raise PlayRefused("the casino does not renew the session", code="session_expired") from None
        if player.player_id != known.player_id:
            raise PlayRefused("the casino has named another player", code="session_expired")
        await self._sessions.renew(session, known.refresh_token, player)
        renewed = FramePlayer(player.player_id, player.partner_user_id, player.currency, False, player.refresh_token)
        return FrameSession(session.bearer, session.casino_id, renewed, session.opened_with, True)


def _game(row: LobbyGameRow) -> Mapping[str, object]:
    return {
        "gameId": row.game_id,
        "name": row.name,
        "provider": row.provider,
        "category": row.category,
        "imageUrl": row.image_url,
        "demo": True,
        "currencies": row.currencies,
    }
