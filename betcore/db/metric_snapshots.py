"""What metrics say of all open rows: bets, reversals, cashbacks, jackpots, rounds in review.

To add them up reads every open row. So one process does that at a time, at most once in fifteen seconds, for all.
"""

from collections.abc import Sequence
from datetime import timedelta

from betcore.db.database import Database
from betcore.db.statements import metric_snapshots
from betcore.db.statements.metric_snapshots import SnapshotRow

_PARTS = {
    "open": metric_snapshots.OPEN,
    "jackpots": metric_snapshots.JACKPOTS,
    "live_rounds": metric_snapshots.LIVE_ROUNDS,
}
# As often as Prometheus usually asks.
_EVERY = timedelta(seconds=15)


class MetricSnapshots:
    """Adds up what is open in one database, and reads it."""

    def __init__(self, database: Database, every: timedelta = _EVERY) -> None:
        self._database = database
        self._every = every

    async def take(self) -> None:
        """Add up each part that was not added up in time. Raise DatabaseError."""
        for part, statement in _PARTS.items():
            await self._database.execute(statement, part=part, every=self._every)

    async def shown(self) -> Sequence[SnapshotRow]:
        """Return the parts as they were added up last. Raise DatabaseError."""
        return await self._database.all_rows(metric_snapshots.SHOWN)
