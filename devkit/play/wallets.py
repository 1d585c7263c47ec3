"""The wallet at which bets are played: the sandbox casino's, or the own one of a casino that was added."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Protocol

import aiohttp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.casino.client import CasinoClient
from betcore.casino.lookup import ThrottledLookup
from betcore.db.database import open_database
from betcore.db.onboarding_sessions import NewSession, Sessions
from betcore.db.partners import Partners
from betcore.db.signing_keys import SigningKeys
from betcore.domain.errors import NotFound
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from devkit.play.books import SandboxCasino
from devkit.play.players import CURRENCY, Place, Seat, take_seats
from devkit.sandbox.provider.compare import CLAW_BACK, RETURN, STAKE, WIN, AggregatorBet, CasinoMovement

MONEY = Decimal("1000.00")
# A wallet may list a bet's movements in any order; they were made in this one.
_ORDER = (STAKE, WIN, CLAW_BACK, RETURN)
_CASINO = text("SELECT casino_id FROM casino WHERE name = :name")
_KEYS_CACHED_SECONDS = 60


class Wallet(Protocol):
    """What a run of bets needs of a casino."""

    async def seats(self, sessions: Sessions, place: Place) -> list[Seat]:
        """Return players of the casino, each with an open session in the game of the place."""

    async def movements(
        self, bets: Mapping[str, AggregatorBet], players: Sequence[str]
    ) -> Sequence[CasinoMovement] | None:
        """Return what the casino has of these players' bets; None if it does not show it."""


class SandboxWallet:
    """The sandbox casino's wallet: players are made for the run, and its journal is read as a whole."""

    def __init__(self, casino: SandboxCasino, players: Sequence[str]) -> None:
        self._casino = casino
        self._players = players

    async def seats(self, sessions: Sessions, place: Place) -> list[Seat]:
        """Return the players, with money of their own."""
        return await take_seats(sessions, place, self._casino, self._players, MONEY)

    async def movements(self, bets: Mapping[str, AggregatorBet], players: Sequence[str]) -> Sequence[CasinoMovement]:
        """Return the journal of these players."""
        return await self._casino.movements(players)


class OwnWallet:
    """A casino's own wallet: the players are the casino's, and the book is ``payments/info``, one call for each bet."""

    def __init__(self, lookup: ThrottledLookup, players: Sequence[str]) -> None:
        self._lookup = lookup
        self._players = players

    async def seats(self, sessions: Sessions, place: Place) -> list[Seat]:
        """Return the players with a session each; the wallet is not asked whether it knows them."""
        opened = [await sessions.open(NewSession(*place, player, CURRENCY)) for player in self._players]
        return [Seat(player, str(one["session_id"])) for player, one in zip(self._players, opened, strict=True)]

    async def movements(
        self, bets: Mapping[str, AggregatorBet], players: Sequence[str]
    ) -> Sequence[CasinoMovement] | None:
        """Return the movements that ``payments/info`` lists; None if it gives no clear answer for one of the bets."""
        found: list[CasinoMovement] = []
        for bet in bets.values():
            listed = await self._lookup.listed(bet.casino_bet_id)
            if listed is None:
                return None
            of_bet = [
                CasinoMovement(bet.casino_bet_id, one.transaction_type, abs(Decimal(one.amount))) for one in listed
            ]
            found += in_order(of_bet)
        return found


def in_order(movements: Sequence[CasinoMovement]) -> list[CasinoMovement]:
    """Return the movements of one bet in the order in which a bet makes them."""
    place = {transaction_type: at for at, transaction_type in enumerate(_ORDER)}
    return sorted(movements, key=lambda one: place.get(one.transaction_type, len(_ORDER)))


@asynccontextmanager
async def own_wallet(
    settings: Settings, engine: AsyncEngine, http: aiohttp.ClientSession, name: str, players: Sequence[str]
) -> AsyncIterator[OwnWallet]:
    """Yield the wallet of a casino by its name. Raises NotFound."""
    vault = Vault.of(settings)
    async with engine.connect() as connection:
        casino_id: int | None = await connection.scalar(_CASINO, {"name": name})
    if casino_id is None:
        raise NotFound(f"there is no casino {name!r}: add it by casino add")
    async with open_database(settings) as database:
        client = CasinoClient(http, SigningKeys(database, vault, _KEYS_CACHED_SECONDS), settings.issuer)
        casino = await Partners(database, vault, _KEYS_CACHED_SECONDS).casino(casino_id)
        yield OwnWallet(ThrottledLookup(client, casino), players)
