"""Looking up the movements of many bets and cashbacks at a casino, for reconciliation, ``verify`` and operators."""

import asyncio
from datetime import timedelta

from betcore.casino.client import CasinoClient
from betcore.domain.partners import Casino
from betcore.domain.payment_list import Listed

# Attempts for one bet; the pause before an attempt, in seconds, is multiplied by its number.
_ATTEMPTS, _PAUSE = 5, 0.2


class ThrottledLookup:
    """Requests payments/info at the rate that the casino's profile allows (``owed_per_second``)."""

    def __init__(self, casinos: CasinoClient, casino: Casino) -> None:
        self._casinos = casinos
        self._casino = casino
        self._within = timedelta(seconds=casino.profile.attempt_timeout)
        self._gap = 1 / casino.profile.owed_per_second
        self._next = 0.0

    async def listed(self, bet_id: int, *, cashback: bool = False) -> list[Listed] | None:
        """Return the movements that the casino lists for a bet or a cashback; None if no answer of several is
        clear."""
        for number in range(_ATTEMPTS):
            if number:
                await asyncio.sleep(_PAUSE * number)
            await self._wait_for_turn()
            movements = (await self._casinos.listing(self._casino, bet_id, self._within, cashback=cashback)).movements
            if movements is not None:
                return movements
        return None

    async def _wait_for_turn(self) -> None:
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + self._gap
        if turn > now:
            await asyncio.sleep(turn - now)
