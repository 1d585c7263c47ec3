"""A casino's book, asked bet by bet (payments/info), or read in bulk where it is the sandbox's journal."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import aiohttp

from betcore.clients.casino import CasinoClient
from betcore.db.partners import Casino
from betcore.reconciling import Listed

# How often a bet is asked for, and the gap before it is asked for again, times the number of the ask.
_ASKS, _PAUSE = 5, 0.2
_PAGE = 5000


class Unclear(Exception):
    """The casino gave no clear answer."""


class Book(Protocol):
    """What a casino says that it has done."""

    async def of_bet(self, bet_id: int) -> list[Listed]:
        """Its movements of a bet. Raises Unclear."""


class Info:
    """By payments/info, no faster than the casino's profile says."""

    def __init__(self, casinos: CasinoClient, casino: Casino) -> None:
        self._casinos = casinos
        self._casino = casino
        self._within = timedelta(seconds=casino.profile.attempt_timeout)
        self._gap = 1 / casino.profile.owed_per_second
        self._next = 0.0

    async def of_bet(self, bet_id: int) -> list[Listed]:
        """Its movements of a bet. Raises Unclear where no answer of several is clear."""
        for number in range(_ASKS):
            await self._turn()
            listed = await self._casinos.listed(self._casino, bet_id, self._within)
            if listed is not None:
                return listed
            await asyncio.sleep(_PAUSE * (number + 1))
        raise Unclear(f"payments/info of {self._casino.name} gave no clear answer for bet {bet_id}")

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + self._gap
        await asyncio.sleep(turn - now)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal."""

    bet_id: int
    listed: Listed


class Journal:
    """The journal of one casino of the sandbox, in the order of its entries."""

    def __init__(self, http: aiohttp.ClientSession, casino: Casino) -> None:
        self._http = http
        self._casino = casino

    async def of_bet(self, bet_id: int) -> list[Listed]:
        """Its movements of a bet. Raises Unclear."""
        return [_entry(one).listed for one in await self._read(bet_id=bet_id)]

    async def pages(self) -> AsyncIterator[Sequence[Entry]]:
        """All movements of bets, a page at a time. Raises Unclear."""
        after = 0
        while entries := await self._read(after=after, limit=_PAGE):
            yield [_entry(one) for one in entries if one["bet_id"] is not None]
            after = entries[-1]["id"]

    async def _read(self, **asked: int) -> list[dict[str, Any]]:
        query = {"partner_client_id": self._casino.partner_client_id, **asked}
        url = self._casino.api_host.rstrip("/") + "/_journal"
        try:
            async with self._http.get(url, params=query) as response:
                if response.status != 200:
                    raise Unclear(f"the journal of {self._casino.name} answered {response.status}")
                found: list[dict[str, Any]] = await response.json()
                return found
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unclear(f"the journal of {self._casino.name}: {type(error).__name__}") from error


def _entry(one: dict[str, Any]) -> Entry:
    listed = Listed(
        transaction_type=one["transaction_type"],
        amount=one["amount"],
        partner_user_id=one["partner_user_id"],
        transaction_id=one["transaction_id"],
        partner_transaction_id=None,
        at=datetime.fromisoformat(one["at"]),
    )
    return Entry(one["bet_id"], listed)
