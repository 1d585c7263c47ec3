"""Asking a casino for the movements of many bets."""

import asyncio
from datetime import timedelta

from betcore.casino.client import CasinoClient
from betcore.db.partners import Casino
from betcore.domain.payment_list import Listed

# How often a bet is asked for, and seconds before it is asked for again, times the number of the ask.
_ASKS, _PAUSE = 5, 0.2


class ThrottledLookup:
    """By payments/info, no faster than the casino's profile says (``owed_per_second``)."""

    def __init__(self, casinos: CasinoClient, casino: Casino) -> None:
        self._casinos = casinos
        self._casino = casino
        self._within = timedelta(seconds=casino.profile.attempt_timeout)
        self._gap = 1 / casino.profile.owed_per_second
        self._next = 0.0

    async def listed(self, bet_id: int) -> list[Listed] | None:
        """The movements that the casino lists for a bet; None where no answer of several is clear."""
        for number in range(_ASKS):
            if number:
                await asyncio.sleep(_PAUSE * number)
            await self._turn()
            listed = await self._casinos.listed(self._casino, bet_id, self._within)
            if listed is not None:
                return listed
        return None

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + self._gap
        if turn > now:
            await asyncio.sleep(turn - now)
