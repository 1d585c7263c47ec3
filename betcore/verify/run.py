"""``verify``: checks everything that must always be true, on a live or on a stopped system. Writes nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from temporalio.client import Client

from betcore.db.database import Database
from betcore.verify.archives import check_archives
from betcore.verify.cashbacks import check_cashbacks
from betcore.verify.casinos import CasinoCheck
from betcore.verify.jackpots import check_jackpots
from betcore.verify.live_rounds import check_live_rounds
from betcore.verify.report import CHECKS, OnProgress, Report, ignore_progress
from betcore.verify.rows import check_rows, first_after
from betcore.verify.workflows import Timing, WorkflowCheck

# Compares our rows with the answers that a provider has received, as its own book has them.
ProviderBook = Callable[[Database, Report, OnProgress], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sources:
    """What is checked, and against what.

    Without a ``client`` the checks that need Temporal are not made, without ``casinos`` those that need the casinos'
    books. They count as unchecked, with the reason in ``why_not``, unless ``left_out`` names them as not wanted.
    ``since`` leaves out bets that were opened before it.
    """

    database: Database
    client: Client | None = None
    casinos: CasinoCheck | None = None
    books: Sequence[ProviderBook] = ()
    since: datetime | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    why_not: Mapping[str, str] = field(default_factory=dict)
    timing: Timing = field(default_factory=Timing)


async def verify(sources: Sources, progress: OnProgress = ignore_progress) -> Report:
    """Check everything once; check again what may only have been in progress.

    Raises DatabaseError if the database does not answer.
    """
    report, timing = Report(), sources.timing
    with report.timed("rows"):
        after = await first_after(sources.database, sources.since)
        await check_rows(sources.database, after, report, progress)
        await check_cashbacks(sources.database, sources.since, report, progress)
        await check_jackpots(sources.database, after, report, progress)
        await check_live_rounds(sources.database, report, progress)
        await check_archives(sources.database, after, report, progress)
    if sources.client is not None:
        with report.timed("temporal"):
            await WorkflowCheck(sources.database, sources.client, report, progress, timing).check()
    if sources.casinos is not None:
        with report.timed("casinos"):
            await sources.casinos.check(after, timing.again_after, report, progress)
    with report.timed("books"):
        for book in sources.books:
            await book(sources.database, report, progress)
    _mark_missing(sources, report)
    return report


def _mark_missing(sources: Sources, report: Report) -> None:
    temporal, casinos = sources.client is None, sources.casinos is None
    missing = {"workflows": temporal, "owed": temporal, "journal": casinos}
    for name in CHECKS:
        if not missing.get(name):
            continue
        if name in sources.left_out:
            report.checks[name].left_out = sources.left_out[name]
        else:
            report.mark_unchecked(name, sources.why_not.get(name, "it was not given"))
    if not sources.books:
        report.checks["heard"].left_out = "no provider's book was given"
