"""The booking of stakes to pools, apart from the bets: they only write down what is to be booked."""

import prometheus_client
from temporalio import activity

from activities.heartbeat import heartbeat, raise_if_worker_stops
from betcore.db.jackpot_pools import JackpotPools
from betcore.runtime import failpoints

# Stakes of one entry: its statement takes a fraction of a second, for which a win of the pool waits.
_BATCH = 2000
BOOKED = prometheus_client.Counter("betcore_jackpot_stakes_booked", "Stakes that were booked to pools, or taken back")


class JackpotBooking:
    """The activity that books."""

    def __init__(self, pools: JackpotPools) -> None:
        self._pools = pools

    @activity.defn(name="book_contributions")
    async def book_contributions(self) -> int:
        """Book what stakes contribute to their pools, batch by batch; return how many were booked.

        Each batch is one statement, so that it may be begun again at any point, and run twice at once.
        """
        booked = 0
        async with heartbeat():
            for jackpot_id in await self._pools.due():
                while entry := await self._pools.book(jackpot_id, _BATCH):
                    booked += entry.stakes
                    BOOKED.inc(entry.stakes)
                    await failpoints.reach("contributions_booked")
                    raise_if_worker_stops()
        return booked
