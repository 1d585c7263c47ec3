"""Launches by players' tokens: the exchange of the token and the launch, in statements that they share."""

from betcore.db.database import Database
from betcore.db.launches import Found, Opened, found, opened, opening
from betcore.db.player_authentications import Flight, Flights
from betcore.db.statements import launches
from betcore.domain.launch import LaunchingSession
from betcore.domain.partners import Casino
from betcore.domain.players import AuthenticatedPlayer, CasinoUser


class TokenLaunches:
    """Reads and writes what such a launch has in common with ``Launches`` and ``Flights``."""

    def __init__(self, database: Database, flights: Flights) -> None:
        self._database = database
        self._flights = flights

    async def claim(
        self, casino: Casino, refresh_token: str, game_id: int, watched: str | None
    ) -> tuple[Found, Flight | AuthenticatedPlayer | str]:
        """Return the game as the casino has it, and what ``Flights.claim`` returns and raises.

        No call is claimed for a game that cannot be launched. Raise PlayRefused(game_unavailable) without one.
        """
        mine = self._flights.flight(casino, refresh_token)
        given = self._flights.claiming(mine, watched)
        row = await self._database.one_row(launches.FIND_BY_TOKEN, **given, game_id=game_id)
        return found(row), self._flights.claimed(mine, row.authentication if row else None)

    async def open(self, flight: Flight, user: CasinoUser, session: LaunchingSession) -> Opened | None:
        """Keep what the casino has given, register the player when new, and open the session: all or nothing.

        Return None, and raise, as ``Launches.open`` does: then what the casino has given is kept all the same.
        """
        given = self._flights.keeping(flight, user) | opening(session)
        return opened(await self._database.one_row(launches.OPEN_BY_TOKEN, **given))
