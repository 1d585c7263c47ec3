"""Whose token it is: users/auth at the casino, by which a page or a casino's server hands a player to this service.

The casino takes a token once, and gives another. A page that opens twice, by a double click or a second mount, sends
one token twice: the second call would be refused. So calls with one token share one call at the casino and its result.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar

import structlog

from betcore.casino.client import CasinoClient
from betcore.db.player_authentications import Flight, Flights
from betcore.domain.currencies import decimals
from betcore.domain.errors import Malformed, PlayCode, PlayRefused
from betcore.domain.partners import Casino
from betcore.domain.players import AuthenticatedPlayer, CasinoUser
from betcore.runtime.tasks import retrieve

K = TypeVar("K")
K_co = TypeVar("K_co", covariant=True)
_log = structlog.get_logger()

# For one attempt; there are two at most.
WITHIN = timedelta(seconds=3)
# A process that began an attempt and has recorded nothing by then is gone. The half second is for the record.
LOST_AFTER = WITHIN + timedelta(seconds=0.5)
_LOOK_EVERY = 0.1
_REFUSALS: dict[str, PlayCode] = {
    "token_invalid": "token_invalid",
    "player_unknown": "token_invalid",
    "player_blocked": "player_blocked",
}


class Exchange(Protocol[K_co]):
    """What one caller does in the database before and after its casino is asked for one token.

    ``claim`` does what ``Flights.claim`` does, and ``keep`` what ``Flights.known`` does; in place of the player they
    return what the caller needs.
    """

    async def claim(self, watched: str | None) -> Flight | str | K_co: ...
    async def keep(self, flight: Flight, user: CasinoUser) -> K_co: ...


@dataclass(frozen=True, slots=True)
class _Alone:
    """An exchange for nothing but the player."""

    flights: Flights
    casino: Casino
    refresh_token: str

    async def claim(self, watched: str | None) -> Flight | str | AuthenticatedPlayer:
        return await self.flights.claim(self.casino, self.refresh_token, watched)

    async def keep(self, flight: Flight, user: CasinoUser) -> AuthenticatedPlayer:
        return await self.flights.known(flight, user)


class PlayerAuth:
    """Asks casinos whose token it is, once for each token."""

    def __init__(self, flights: Flights, casinos: CasinoClient) -> None:
        self._flights = flights
        self._casinos = casinos

    async def authenticate(self, casino: Casino, refresh_token: str, tag_id: int) -> AuthenticatedPlayer:
        """Return the player of a token, registered when new, with the token for the next time.

        Another call with the same token within 45 seconds, in any process, gets the same. Raises PlayRefused:
        ``casino_disabled``, ``token_invalid``, ``player_blocked``, ``currency_unsupported``; ``casino_unavailable`` if
        the casino has not answered clearly, and the token may be sent again. Raises DatabaseError.
        """
        return await self.exchange(casino, refresh_token, tag_id, _Alone(self._flights, casino, refresh_token))

    async def exchange(self, casino: Casino, refresh_token: str, tag_id: int, exchange: Exchange[K]) -> K:
        """Return what ``exchange`` makes of the player of a token. Raises as ``authenticate``, and as ``exchange``."""
        if casino.disabled:
            raise PlayRefused("the casino is disabled", code="casino_disabled")
        task = asyncio.create_task(self._shared(casino, refresh_token, tag_id, exchange))
        task.add_done_callback(retrieve)
        # Shielded: a page that goes away must not lose the token that the casino has just given.
        return await asyncio.shield(task)

    async def _shared(self, casino: Casino, refresh_token: str, tag_id: int, exchange: Exchange[K]) -> K:
        watched: str | None = None
        while True:
            found = await exchange.claim(watched)
            match found:
                case Flight():
                    user = await self._ask(casino, refresh_token, tag_id, found)
                    return await exchange.keep(found, user)
                case str():
                    watched = found or watched
                    await asyncio.sleep(_LOOK_EVERY)
                case _:
                    return found

    async def _ask(self, casino: Casino, refresh_token: str, tag_id: int, flight: Flight) -> CasinoUser:
        found = await self._casinos.authenticate(casino, refresh_token, tag_id, WITHIN)
        if found.unanswered and await self._flights.again(flight):
            # The casino may have exchanged the token already; then it has to take the old one once more.
            found = await self._casinos.authenticate(casino, refresh_token, tag_id, WITHIN)
        if found.user is None:
            code = _REFUSALS.get(found.answer.meaning or "", "casino_unavailable")
            _log.info("a player was not let in", casino=casino.name, code=code, kind=found.answer.kind)
            raise await self._flights.refused(flight, code)
        try:
            decimals(found.user.currency)
        except Malformed:
            _log.warning("a player has a currency that is not known", casino=casino.name, currency=found.user.currency)
            raise await self._flights.refused(flight, "currency_unsupported") from None
        return found.user
