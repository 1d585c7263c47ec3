"""A casino's book: by one request for each bet (payments/info), or in bulk from the sandbox's journal."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import aiohttp

from betcore.casino.client import CasinoClient
from betcore.casino.lookup import ThrottledLookup
from betcore.domain.partners import Casino
from betcore.domain.payment_list import Listed

_PAGE = 5000


class NoClearAnswer(Exception):
    """The casino gave no clear answer."""


class Book(Protocol):
    """The movements that a casino has recorded."""

    async def of_bet(self, bet_id: int) -> list[Listed]:
        """Return its movements of a bet. Raises NoClearAnswer."""


class Info:
    """A casino's book by payments/info."""

    def __init__(self, casinos: CasinoClient, casino: Casino) -> None:
        self._lookup = ThrottledLookup(casinos, casino)
        self._name = casino.name

    async def of_bet(self, bet_id: int) -> list[Listed]:
        """Return its movements of a bet. Raises NoClearAnswer if none of several answers is clear."""
        listed = await self._lookup.listed(bet_id)
        if listed is None:
            raise NoClearAnswer(f"payments/info of {self._name} gave no clear answer for bet {bet_id}")
        return listed


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal; ``bet_id`` is a CashbackId if it is of a ``cashback``."""

    bet_id: int
    listed: Listed
    cashback: bool = False


class Journal:
    """The journal of one casino of the sandbox, in the order of its entries."""

    def __init__(self, http: aiohttp.ClientSession, casino: Casino) -> None:
        self._http = http
        self._casino = casino

    async def of_bet(self, bet_id: int) -> list[Listed]:
        """Return its movements of a bet. Raises NoClearAnswer."""
        return [_entry(one).listed for one in await self._read(bet_id=bet_id)]

    async def pages(self) -> AsyncIterator[Sequence[Entry]]:
        """Yield all movements of bets and cashbacks, a page at a time. Raises NoClearAnswer."""
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
                    raise NoClearAnswer(f"the journal of {self._casino.name} answered {response.status}")
                found: list[dict[str, Any]] = await response.json()
                return found
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NoClearAnswer(f"the journal of {self._casino.name}: {type(error).__name__}") from error


def _entry(one: dict[str, Any]) -> Entry:
    listed = Listed(
        transaction_type=one["transaction_type"],
        amount=one["amount"],
        partner_user_id=one["partner_user_id"],
        transaction_id=one["transaction_id"],
        partner_transaction_id=None,
        at=datetime.fromisoformat(one["at"]),
        tax=one.get("tax"),
    )
    return Entry(one["bet_id"], listed, one["cashback"])
