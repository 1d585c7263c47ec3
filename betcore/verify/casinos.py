"""The check of our movements against the casinos' books, in both directions."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal

import aiohttp

from betcore.casino.client import CasinoClient
from betcore.db.database import Database
from betcore.db.partners import Partners
from betcore.db.reconciliations import Reconciliations
from betcore.db.row_mapping import amount_text, money_of
from betcore.db.statements import verify_books, verify_cashbacks, verify_rows
from betcore.db.statements.verify_books import MadeRow, NameRow
from betcore.domain.compared_rows import OurBet, UnreadBet
from betcore.domain.ids import TransactionType, transaction_id
from betcore.domain.money import minor_units
from betcore.domain.partners import Casino
from betcore.domain.reconciliation import Difference, Kind, Outcome, compare
from betcore.verify.cashbacks import CashbackBook
from betcore.verify.casino_books import Book, Entry, Info, Journal, NoClearAnswer
from betcore.verify.range_sums import RangeSums
from betcore.verify.report import OnProgress, Progress, Report, Violation

Way = Literal["journal", "info"]
# Bets of one read, concurrent calls, and bets that are collected for a second look.
_BATCH, _AT_ONCE, _SUSPECTS = 500, 8, 2000
_READS = 5
_PAGE = 20_000
_SAID = {
    Kind.MISSING_THERE: "we have it as made, the casino does not have it",
    Kind.MISSING_HERE: "the casino has made it, we have not",
    Kind.AMOUNT: "the casino has it with another amount, player or tax, or more than once",
    Kind.STATUS: "the casino has made it, we wait for an operator",
}


class CasinoCheck:
    """The check ``journal`` for each casino. ``way`` chooses how a casino's book is read."""

    def __init__(
        self,
        database: Database,
        http: aiohttp.ClientSession,
        client: CasinoClient,
        partners: Partners,
        way: Callable[[Casino], Way],
    ) -> None:
        self._database = database
        self._http = http
        self._client = client
        self._partners = partners
        self._way = way

    async def check(self, after: int, again_after: timedelta, report: Report, on_progress: OnProgress) -> None:
        """Compare every bet with a BetId above ``after``. What a casino does not answer is reported as unchecked."""
        for row in await self._database.all_rows(verify_books.CASINOS):
            casino = await self._partners.casino(row.casino_id)
            try:
                if self._way(casino) == "journal":
                    books = _Comparison(
                        self._database, casino, Journal(self._http, casino), report, on_progress, again_after
                    )
                    await books.by_journal(Journal(self._http, casino), after)
                    books.report_unread()
                else:
                    books = _Comparison(
                        self._database, casino, Info(self._client, casino), report, on_progress, again_after
                    )
                    await books.by_info(after)
                    books.report_unread()
            except NoClearAnswer as no_answer:
                report.mark_unchecked("journal", str(no_answer))


class _Comparison:
    """The comparison with one casino.

    A difference counts if a second look shows it again while our rows have not changed.
    """

    def __init__(
        self,
        database: Database,
        casino: Casino,
        book: Book,
        report: Report,
        on_progress: OnProgress,
        again_after: timedelta,
    ) -> None:
        self._database = database
        self._casino = casino
        self._book = book
        self._report = report
        self._on_progress = on_progress
        self._again_after = again_after
        self._bets = Reconciliations(database)
        self._suspects: set[int] = set()
        self._unread: set[UnreadBet] = set()
        self._names: dict[int, NameRow] = {}

    async def by_info(self, after: int) -> None:
        """Ask for every bet of ours. What no bet of ours explains stays unseen."""
        done, given = 0, {"casino_id": self._casino.casino_id, "limit": _BATCH}
        while page := await self._database.all_rows(verify_books.OF_CASINO, after=after, **given):
            await self._compare([row.bet_id for row in page], lambda bet_id, _: self._suspects.add(bet_id))
            await self._look_again_if(_SUSPECTS)
            after, done = page[-1].bet_id, done + len(page)
            self._report.checks["journal"].looked_at += len(page)
            self._on_progress(Progress(f"{self._casino.name} asked", done, None))
        await self._look_again_if(1)

    async def by_journal(self, journal: Journal, after: int) -> None:
        """Read all of the casino's journal, then look for what we have beyond it."""
        [reach] = await self._database.all_rows(verify_rows.REACH, after=after)
        theirs, done = RangeSums(reach.first, reach.last), 0
        [cashbacks_reach] = await self._database.all_rows(verify_cashbacks.REACH)
        sums = RangeSums(cashbacks_reach.first, cashbacks_reach.last)
        cashbacks = CashbackBook(self._database, self._casino, journal, sums, self._report, self._again_after)
        async for entries in journal.pages():
            await self._add_page([one for one in entries if one.bet_id > after and not one.cashback], theirs)
            await cashbacks.add_page([one for one in entries if one.bet_id > after and one.cashback])
            await self._look_again_if(_SUSPECTS)
            done += len(entries)
            self._report.checks["journal"].looked_at += len(entries)
            self._on_progress(Progress(f"journal of {self._casino.name}", done, None))
        await self._compare_sums(theirs, after, reach.last)
        await self._look_again_if(1)
        await cashbacks.finish(after)

    def report_unread(self) -> None:
        """Report the bets that could not be compared because their rows cannot be read."""
        for bet in sorted(self._unread, key=lambda one: one.bet_id):
            row = self._names.get(bet.bet_id)
            ours, provider = (row.provider_bet_id, row.provider) if row is not None else ("", "")
            self._report.add(Violation("journal", str(bet.bet_id), ours, f"unreadable: {bet.why}", provider))

    async def _add_page(self, entries: Sequence[Entry], theirs: RangeSums) -> None:
        """Add entries that match our movements to the sums; mark the bets of all other entries for a second look."""
        asked = sorted({entry.bet_id for entry in entries})
        given = {"bet_ids": asked, "casino_id": self._casino.casino_id}
        ours = {
            (row.bet_id, row.transaction_type): row for row in await self._database.all_rows(verify_books.MADE, **given)
        }
        for entry in entries:
            row = ours.get((entry.bet_id, entry.listed.transaction_type))
            if row is None or not _same(row, entry):
                self._suspects.add(entry.bet_id)
            elif row.amount or row.error_code is not None:
                theirs.add(entry.bet_id, entry.listed.transaction_type)

    async def _compare_sums(self, theirs: RangeSums, after: int, last: int) -> None:
        """Compare our sums with the casino's, range by range, and look at each bet of a range that differs."""
        done = 0
        while True:
            [page] = await self._database.all_rows(verify_rows.NEXT, after=after, limit=_PAGE)
            if page.upto is None or after >= last:
                break
            given = {"upto": min(page.upto, last), "share": theirs.share, "casino_id": self._casino.casino_id}
            for row in await self._database.all_rows(verify_books.SHARES, after=after, **given):
                theirs.take(row.share, row.made, minor_units(row.first), minor_units(row.second))
            after, done = page.upto, done + page.bets
            self._on_progress(Progress(f"bets beside the journal of {self._casino.name}", done, None))
        for share in theirs.uneven():
            await self._suspect(share * theirs.share - 1, (share + 1) * theirs.share)

    async def _suspect(self, after: int, end: int) -> None:
        """Look at every bet of ours behind a BetId and before another one."""
        given = {"casino_id": self._casino.casino_id, "limit": _BATCH}
        while page := await self._database.all_rows(verify_books.OF_CASINO, after=after, **given):
            numbers = [row.bet_id for row in page if row.bet_id < end]
            await self._compare(numbers, lambda bet_id, _: self._suspects.add(bet_id))
            await self._look_again_if(_SUSPECTS)
            after = page[-1].bet_id
            if len(numbers) < len(page):
                break

    async def _look_again_if(self, enough: int) -> None:
        if len(self._suspects) < enough:
            return
        await asyncio.sleep(self._again_after.total_seconds())
        suspects, self._suspects = sorted(self._suspects), set()
        for start in range(0, len(suspects), _BATCH):
            await self._compare(suspects[start : start + _BATCH], self._report_difference)

    async def _compare(self, bet_ids: Sequence[int], found: Callable[[int, Difference | None], None]) -> None:
        """Pass every difference of these bets to ``found``; None stands for a bet of the casino that is not ours."""
        places = asyncio.Semaphore(_AT_ONCE)
        names = await self._database.all_rows(verify_books.NAMES, bet_ids=list(bet_ids))
        self._names = {row.bet_id: row for row in names if row.casino_id == self._casino.casino_id}
        bets = {bet.bet_id: bet for bet in await self._bets.bets(list(self._names))}

        async def one(bet_id: int) -> None:
            async with places:
                if bet_id not in bets:
                    if await self._book.of_bet(bet_id):
                        found(bet_id, None)
                    return
                bet = bets[bet_id]
                if isinstance(bet, UnreadBet):
                    self._unread.add(bet)
                    return
                for difference in await self._differences(bet):
                    found(bet_id, difference)

        tasks = [asyncio.create_task(one(bet_id)) for bet_id in bet_ids]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _differences(self, bet: OurBet) -> Iterable[Difference]:
        """Return the differences of a bet.

        Left out: what is owed or still in doubt, which is the bet's own work, and rows that change faster than they can
        be compared.
        """
        leeway = timedelta(seconds=self._casino.profile.clock_leeway)
        for _ in range(_READS):
            listed = await self._book.of_bet(bet.bet_id)
            found = compare(bet, listed, leeway, datetime.now(UTC))
            wrong = [one for one in found if one.remedy in (Outcome.INCIDENT, Outcome.RETURNED)]
            if not wrong:
                break
            (now,) = await self._bets.bets([bet.bet_id])
            if now == bet or not isinstance(now, OurBet):
                return wrong
            bet = now
        return []

    def _report_difference(self, bet_id: int, difference: Difference | None) -> None:
        row = self._names.get(bet_id)
        ours, provider = (row.provider_bet_id, row.provider) if row is not None else ("", "")
        if difference is None:
            what = f"{self._casino.name} has movements of a bet that we do not have at it"
        else:
            name = transaction_id(bet_id, TransactionType(difference.transaction_type))
            what = f"movement {name} at {self._casino.name}: {_SAID[difference.kind]}; "
            what += f"ours {difference.ours}, theirs {difference.theirs}"
        self._report.add(Violation("journal", str(bet_id), ours, what, provider))


def _same(row: MadeRow, entry: Entry) -> bool:
    """Return whether an entry is our movement. Nearly all are written as we write them: that is checked first, because
    it is cheap."""
    listed = entry.listed
    ours = (row.partner_user_id, f"{entry.bet_id}:{listed.transaction_type}", _written(row.amount, row.currency))
    is_our_tax = row.tax is None or listed.tax in (None, _written(row.tax, row.currency))
    if is_our_tax and (listed.partner_user_id, listed.transaction_id, listed.amount) == ours:
        return True
    amount, tax = money_of(row.amount, row.currency), money_of(row.tax, row.currency)
    return amount is not None and listed.is_of(entry.bet_id, amount, row.partner_user_id, tax)


@lru_cache(maxsize=10_000)
def _written(amount: Decimal, currency: str) -> str | None:
    return amount_text(amount, currency)
