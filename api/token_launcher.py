"""The launch of a game by a player's token: the casino is asked whose it is, then the provider for the game.

Three statements and two calls. The first statement reads the game and claims the token, the second keeps what the
casino has given and opens the session, the third records what came of the launch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from api.launcher import Launcher, Order
from api.player_auth import PlayerAuth
from betcore.db.launches import Found, Opened
from betcore.db.player_authentications import Flight, Flights
from betcore.db.token_launches import TokenLaunches
from betcore.domain import launch
from betcore.domain.launch import Launched, LaunchRequest
from betcore.domain.partners import Casino
from betcore.domain.players import AuthenticatedPlayer, CasinoUser

# Returns what a player, by the casino's id, asks for in a currency. Raises Malformed, and PlayRefused.
RequestFor = Callable[[str, str], LaunchRequest]


@dataclass(frozen=True, slots=True)
class PlayerToken:
    """A token with which a casino hands in a player."""

    casino: Casino
    refresh_token: str = field(repr=False)
    tag_id: int


class _Begun(NamedTuple):
    """A launch for the player of a token, its session if this call has opened one, and the player's next token."""

    order: Order
    opened: Opened | None
    next_token: str


class TokenLauncher:
    """Launches games for the players of tokens."""

    def __init__(self, launcher: Launcher, auth: PlayerAuth, flights: Flights, launches: TokenLaunches) -> None:
        self._launcher = launcher
        self._auth = auth
        self._flights = flights
        self._launches = launches

    async def launch(self, token: PlayerToken, game_id: int, request_for: RequestFor) -> tuple[Launched, str]:
        """Launch a game as ``Launcher.launch`` does; return with it the token that the casino has given in exchange.

        Raises as ``PlayerAuth.authenticate``, ``request_for`` and ``Launcher.launch`` do. A game that cannot be
        launched leaves the token as it is. If the launch fails later, what the casino has given is what the next call
        with the same token gets.
        """
        exchange = _Exchange(self._launcher, self._flights, self._launches, token, game_id, request_for)
        begun = await self._auth.exchange(token.casino, token.refresh_token, token.tag_id, exchange)
        return await self._launcher.finish(begun.order, begun.opened), begun.next_token


@dataclass(slots=True)
class _Exchange:
    """The exchange of a token for one launch."""

    launcher: Launcher
    flights: Flights
    launches: TokenLaunches
    token: PlayerToken
    game_id: int
    request_for: RequestFor
    found: Found = field(init=False)

    async def claim(self, watched: str | None) -> Flight | str | _Begun:
        casino, refresh_token = self.token.casino, self.token.refresh_token
        self.found, claimed = await self.launches.claim(casino, refresh_token, self.game_id, watched)
        launch.check_game(self.found.game)
        if not isinstance(claimed, AuthenticatedPlayer):
            return claimed
        order = await self._order(claimed)
        return _Begun(order, await self.launcher.open(order), claimed.refresh_token)

    async def keep(self, flight: Flight, user: CasinoUser) -> _Begun:
        try:
            order = await self._order(user)
            return _Begun(order, await self.launches.open(flight, user, order.session()), user.refresh_token)
        except Exception:
            # The casino has taken the token. What it gave must be there for the repeat, whatever prevents the launch.
            await self.flights.known(flight, user)
            raise

    async def _order(self, player: CasinoUser | AuthenticatedPlayer) -> Order:
        return await self.launcher.order(self.request_for(player.partner_user_id, player.currency), self.found)
