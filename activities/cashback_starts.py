"""Starting the workflows of cashbacks that have none: imported ones, those of a rule, and cancels."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from time import monotonic

import prometheus_client
import structlog
from temporalio import activity
from temporalio.client import Client

from activities.heartbeat import heartbeat
from betcore.db.open_cashbacks import OpenCashbacks
from betcore.db.row_mapping import UnreadableRow
from betcore.domain.open_bets import OpenBet
from betcore.temporal.carriers import start_carrier

_log = structlog.get_logger()
# Workflows of cashbacks that one casino has at most at a time, but for those that operators start themselves.
MOST_CARRIED = 200
# Seconds of one round for all casinos, and for which an activity goes on; the schedule's next run goes on then.
_ROUND, _LONGEST = 1.0, 50.0
# Characters of an error that the log shows.
_LONGEST_ERROR = 300
STARTED = prometheus_client.Counter(
    "betcore_cashbacks_started", "Workflows of cashbacks that were started in their turn"
)


class CashbackStarter:
    """Starts what waits, no faster than each casino takes credits (``owed_per_second``)."""

    def __init__(self, client: Client, open_cashbacks: OpenCashbacks) -> None:
        self._client = client
        self._open_cashbacks = open_cashbacks

    @activity.defn(name="start_cashbacks")
    async def start_cashbacks(self) -> int:
        """Start workflows for the cashbacks that wait for one, for most of a minute; return how many were started."""
        started, until, after = 0, monotonic() + _LONGEST, Counter[int]()
        async with heartbeat():
            while monotonic() < until and (rooms := await self._open_cashbacks.rooms(MOST_CARRIED)):
                for casino_id, room in rooms.items():
                    if room > 0 and (rows := await self._open_cashbacks.waiting(casino_id, after[casino_id], room)):
                        started += await self._start(rows)
                        after[casino_id] = rows[-1].bet_id
                await asyncio.sleep(_ROUND)
        return started

    async def _start(self, rows: Sequence[OpenBet]) -> int:
        """Start workflows. A row that cannot be read is logged and passed over: else it would keep all others back."""
        started = 0
        for row in rows:
            try:
                resumption = await self._open_cashbacks.resumption(row)
            except UnreadableRow as error:
                _log.error("unreadable", workflow_id=row.workflow_id, error=str(error)[:_LONGEST_ERROR])
                continue
            if resumption is not None and await start_carrier(self._client, resumption) is not None:
                started += 1
        STARTED.inc(started)
        return started
