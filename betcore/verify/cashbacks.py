"""The checks on cashbacks: the rows by themselves, and their movements against a casino's journal."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from betcore.db.database import Database
from betcore.db.row_mapping import amount_text
from betcore.db.statements import verify_books, verify_cashbacks
from betcore.db.statements.verify_cashbacks import FaultRow, OurRow
from betcore.domain.ids import TransactionType, transaction_id
from betcore.domain.partners import Casino
from betcore.verify.casino_books import Entry, Journal
from betcore.verify.range_sums import RangeSums
from betcore.verify.report import OnProgress, Progress, Report, Violation
from betcore.verify.sums import Sums

# Cashbacks of one read.
_BATCH = 5000
# Faults by their names in the statement: the check, and a description. The facts of the cashback follow it.
FAULTS = {
    "unfitting": ("outcome", "its movements do not fit its state"),
    "amount": ("sums", "a movement has another amount than the cashback"),
    "strangers": ("identity", "its player is not one of its casino"),
    "number_twice": ("identity", "a bet has its number"),
    "without_run": ("identity", "its rule was not run for its window"),
    "parked_untold": ("owed", "a movement is parked, and no incident tells a person"),
}


async def check_cashbacks(database: Database, since: datetime | None, report: Report, on_progress: OnProgress) -> None:
    """Look at the rows of every cashback that was opened at ``since`` or later, a batch at a time.

    Each batch is one read-only snapshot.
    """
    casinos = {row.casino_id: row.name for row in await database.all_rows(verify_books.CASINOS)}
    adding, after, done = Sums(report, casinos), 0, 0
    while True:
        async with database.transaction("repeatable_read", readonly=True) as transaction:
            [page] = await transaction.all_rows(verify_cashbacks.NEXT, after=after, limit=_BATCH)
            if page.upto is None:
                break
            given = {"after": after, "upto": page.upto, "since": since}
            _report_faults(await transaction.all_rows(verify_cashbacks.FAULTS, **given), report)
            adding.add_cashbacks(await transaction.all_rows(verify_cashbacks.SUMS, **given))
        after, done = page.upto, done + page.cashbacks
        on_progress(Progress("cashbacks", done, None))
    adding.note("cashbacks")


def _report_faults(rows: Sequence[FaultRow], report: Report) -> None:
    for row in rows:
        movements = ", ".join(row.described or ()) or "none"
        for fault in row.faults:
            check, what = FAULTS[fault]
            facts = f"{row.state}; movements (type, state, minor units): {movements}"
            report.add(_violation(check, row.cashback_id, f"{what}: {facts}", row.casino))


class CashbackBook:
    """The cashbacks of one casino against its journal, in both directions.

    A difference counts if a second look shows it again.
    """

    def __init__(
        self,
        database: Database,
        casino: Casino,
        journal: Journal,
        sums: RangeSums,
        report: Report,
        again_after: timedelta,
    ) -> None:
        self._database = database
        self._casino = casino
        self._journal = journal
        self._report = report
        self._again_after = again_after
        self._suspects: set[int] = set()
        self._theirs = sums

    async def add_page(self, entries: Sequence[Entry]) -> None:
        """Add entries that match our movements to the sums; mark the cashbacks of all others for a second look."""
        ours = await self._ours({entry.bet_id for entry in entries})
        for entry in entries:
            row = ours.get((entry.bet_id, entry.listed.transaction_type))
            if row is None or row.state != "done" or not _same(row, entry):
                self._suspects.add(entry.bet_id)
            else:
                self._theirs.add(entry.bet_id, entry.listed.transaction_type)

    async def finish(self, start: int) -> None:
        """Look for what we have beyond the journal behind a number, and report what a second look shows again."""
        after, given = start, {"casino_id": self._casino.casino_id, "limit": _BATCH}
        while rows := await self._database.all_rows(verify_cashbacks.MADE_BEHIND, after=after, **given):
            for row in rows:
                self._theirs.take_one(row.cashback_id, row.transaction_type)
            after = rows[-1].cashback_id
        uneven, after = set(self._theirs.uneven()), start
        while uneven and (rows := await self._database.all_rows(verify_cashbacks.MADE_BEHIND, after=after, **given)):
            self._suspects |= {row.cashback_id for row in rows if self._theirs.range_of(row.cashback_id) in uneven}
            after = rows[-1].cashback_id
        if self._suspects:
            await asyncio.sleep(self._again_after.total_seconds())
            for cashback_id in sorted(self._suspects):
                await self._look_again(cashback_id)

    async def _look_again(self, cashback_id: int) -> None:
        """Report what differs. Left out is what is on its way: that is the cashback's own work."""
        theirs = {(cashback_id, one.transaction_type): one for one in await self._journal.of_bet(cashback_id)}
        ours = await self._ours({cashback_id})
        for key in sorted(theirs.keys() | ours.keys()):
            state = ours[key].state if key in ours else "none"
            name = f"movement {transaction_id(cashback_id, TransactionType(key[1]))} at {self._casino.name}"
            if key not in theirs:
                if state == "done":
                    self._add(cashback_id, f"{name}: we have it as made, the casino does not have it")
            elif state not in ("done", "sending"):
                self._add(cashback_id, f"{name}: the casino has made it, ours is {state}")
            elif not _same(ours[key], Entry(cashback_id, theirs[key], cashback=True)):
                self._add(cashback_id, f"{name}: the casino has it with another amount or player")

    async def _ours(self, cashback_ids: set[int]) -> dict[tuple[int, int], OurRow]:
        given = {"cashback_ids": sorted(cashback_ids), "casino_id": self._casino.casino_id}
        rows = await self._database.all_rows(verify_cashbacks.OURS, **given)
        return {(row.cashback_id, row.transaction_type): row for row in rows}

    def _add(self, cashback_id: int, what: str) -> None:
        self._report.add(_violation("journal", cashback_id, what, self._casino.name))


def _same(row: OurRow, entry: Entry) -> bool:
    listed = entry.listed
    ours = (row.partner_user_id, transaction_id(row.cashback_id, TransactionType(row.transaction_type)))
    theirs = (listed.partner_user_id, listed.transaction_id)
    return ours == theirs and listed.amount == amount_text(row.amount, row.currency)


def _violation(check: str, cashback_id: int, what: str, casino: str) -> Violation:
    return Violation(check, str(cashback_id), "", f"cashback: {what}", casino)
