"""The check of pools: each equals its journal, and each settled stake that should contribute does so, once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import floor

from betcore.db.database import Database
from betcore.db.statements import verify_jackpots, verify_rows
from betcore.db.statements.verify_jackpots import EntryRow, PoolRow
from betcore.verify.report import OnProgress, Progress, Report, Violation, named
from betcore.verify.rows import BATCH

_NAME = "jackpots"
_ENTRIES = 5000
# Faults by their names in the statement.
FAULTS = {
    "stake_missing": "its stake has settled, and does not contribute",
    "stake_of_another": "its stake contributes, and should not, or with another amount",
    "stake_taken_back": "what its stake has contributed does not fit its reversal",
    "won_another": "its row and the journal do not have the same win",
}


async def check_jackpots(database: Database, after: int, report: Report, on_progress: OnProgress) -> None:
    """Look at all pools, and at the stakes of bets behind a BetId.

    What the pools have booked is compared with the stakes only if all bets are looked at.
    """
    pools = await database.all_rows(verify_jackpots.POOLS)
    for pool in pools:
        await _journal(database, pool, report)
    if not pools:
        return
    booked = await _stakes(database, {pool.jackpot_id: pool.entries for pool in pools}, after, report, on_progress)
    for pool in pools:
        stakes = booked[pool.jackpot_id]
        if after == 0 and stakes != pool.stakes:
            _wrong(report, pool, f"it has booked stakes of {pool.stakes}, and the stakes add up to {stakes}")


async def _stakes(
    database: Database, entries: Mapping[int, int], after: int, report: Report, on_progress: OnProgress
) -> Counter[int]:
    """Look at the stakes of bets behind a BetId; return what the pools have booked of them up to these entries."""
    booked: Counter[int] = Counter()
    done = 0
    while True:
        [page] = await database.all_rows(verify_rows.NEXT, after=after, limit=BATCH)
        if page.upto is None:
            return booked
        for row in await database.all_rows(verify_jackpots.STAKE_FAULTS, after=after, upto=page.upto):
            for fault in row.faults:
                report.add(named(_NAME, row, f"jackpot {row.jackpot_id}: {FAULTS[fault]}"))
        for stakes in await database.all_rows(verify_jackpots.STAKES, after=after, upto=page.upto):
            # What was booked since the pool was read is not in its row.
            if stakes.entry <= entries.get(stakes.jackpot_id, 0):
                booked[stakes.jackpot_id] += int(stakes.staked)
        after, done = page.upto, done + page.bets
        on_progress(Progress("jackpots", done, None))


async def _journal(database: Database, pool: PoolRow, report: Report) -> None:
    """Add the pool up from its first entry on, and compare."""
    sums, after = _Sums(pool), 0
    while after < pool.entries:
        given = {"jackpot_id": pool.jackpot_id, "after": after, "upto": pool.entries, "limit": _ENTRIES}
        entries = await database.all_rows(verify_jackpots.JOURNAL, **given)
        if not entries:
            break
        for wrong in sums.add(entries):
            _wrong(report, pool, wrong)
        after = entries[-1].number
    report.checks[_NAME].looked_at += 1
    found, says = (sums.entries, sums.amount, sums.stakes), (pool.entries, int(pool.amount), int(pool.stakes))
    if found != says:
        _wrong(report, pool, f"entries, amount and stakes are {says} in its row, {found} by its journal")
    if floor(pool.share * pool.stakes) != pool.contributed:
        _wrong(report, pool, f"its contributions are {pool.contributed}, not its share of {pool.stakes}")


class _Sums:
    """Adds a journal up; amounts in minor units."""

    def __init__(self, pool: PoolRow) -> None:
        self._share = pool.share
        self.entries = self.amount = self.stakes = 0

    def add(self, entries: Sequence[EntryRow]) -> list[str]:
        """Add entries in their order; return what is wrong with them."""
        wrong = []
        for entry in entries:
            amount, stakes = int(entry.amount), int(entry.stakes)
            adds = floor(self._share * stakes) - floor(self._share * self.stakes)
            self.entries, self.amount = self.entries + 1, self.amount + amount
            if entry.number != self.entries:
                wrong.append(f"entry {entry.number} stands in the place of {self.entries}")
            if self.amount != entry.balance:
                wrong.append(f"entry {entry.number} says {entry.balance}, and the entries up to it {self.amount}")
            if (amount if entry.kind == "contribution" else 0) != adds:
                wrong.append(f"entry {entry.number} adds {amount} for stakes up to {stakes}, not {adds}")
            self.stakes = stakes
        return wrong


def _wrong(report: Report, pool: PoolRow, what: str) -> None:
    report.add(Violation(_NAME, "", "", f"jackpot {pool.jackpot_id}: {what}"))
