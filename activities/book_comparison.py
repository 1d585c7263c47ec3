"""The comparison of the rows of bets and cashbacks with the lists of one casino (payments/info)."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from betcore.casino.client import CasinoClient
from betcore.casino.lookup import ThrottledLookup
from betcore.db.reconciliations import Reconciliations
from betcore.domain.compared_rows import OurCashback, Ours, UnreadBet
from betcore.domain.partners import Casino
from betcore.domain.reconciliation import Difference, compare, moving

_CONCURRENT_REQUESTS = 8
# Readings of a bet whose rows change while the casino answers.
_READINGS = 5

# None if the casino's list is unclear.
Differences = Sequence[Difference] | None
Read = Ours | UnreadBet


class BookComparison:
    """Compares bets and cashbacks with the lists of one casino, several at a time."""

    def __init__(self, casinos: CasinoClient, runs: Reconciliations, casino: Casino) -> None:
        self._lookup = ThrottledLookup(casinos, casino)
        self._runs = runs
        self._leeway = timedelta(seconds=casino.profile.clock_leeway)
        self._slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    async def compare(self, bets: Sequence[Read]) -> list[Differences]:
        """Return the differences of each bet; None for a bet without a clear answer, and for those after it."""
        given_up = asyncio.Event()

        async def one(bet: Read) -> Differences:
            if isinstance(bet, UnreadBet):
                return ()
            async with self._slots:
                found = None if given_up.is_set() else await self._compare_one(bet)
                if found is None:
                    given_up.set()
                return found

        tasks = [asyncio.create_task(one(bet)) for bet in bets]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _compare_one(self, bet: Ours) -> Differences:
        found: Sequence[Difference] = ()
        for _ in range(_READINGS):
            listed = await self._lookup.listed(bet.bet_id, cashback=isinstance(bet, OurCashback))
            if listed is None:
                return None
            found = compare(bet, listed, self._leeway, datetime.now(UTC))
            if not found:
                return found
            # The bet may have changed between the reading of its rows and the casino's answer: that is no difference.
            (now,) = await self._runs.named([bet.bet_id])
            if now == bet or isinstance(now, UnreadBet):
                return found
            bet = now
        return moving(found)
