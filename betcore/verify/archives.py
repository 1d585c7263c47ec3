"""The check of archives: what the database knows of their bets is what their rows name.

Whether a file is as it was archived, ``betcore archive check`` says: files are where operators keep them.
"""

from collections import Counter

from betcore.db.database import Database
from betcore.db.statements import verify_archives
from betcore.verify.report import OnProgress, Progress, Report, Violation
from betcore.verify.rows import BATCH

_NAME = "archives"


async def check_archives(database: Database, after: int, report: Report, on_progress: OnProgress) -> None:
    """Count what archives have, if all bets are looked at. One that is written meanwhile is left out."""
    check = report.checks[_NAME]
    if after:
        check.left_out = "it is only made of all bets"
        return
    archives = await database.all_rows(verify_archives.WRITTEN)
    bets, events = await _counted(database, on_progress)
    for archive in archives:
        has, names = (bets[archive.archive_id], events[archive.archive_id]), (archive.bets, archive.events)
        if has != names:
            what = f"{archive.name} should have {names[0]} bets and {names[1]} events, and the rows of its bets come to"
            report.add(Violation(_NAME, "", "", f"{what} {has[0]} and {has[1]}"))
    check.looked_at = len(archives)
    if unfinished := sum(not archive.left for archive in archives):
        check.notes.append(f"{unfinished} written, whose events are still in the database: archive run deletes them")


async def _counted(database: Database, on_progress: OnProgress) -> tuple[Counter[int], Counter[int]]:
    """Return the numbers of bets and of events of each archive, by the rows of its bets."""
    bets, events = Counter[int](), Counter[int]()
    after = done = 0
    while True:
        [page] = await database.all_rows(verify_archives.NEXT, after=after, limit=BATCH)
        if page.upto is None:
            return bets, events
        for row in await database.all_rows(verify_archives.COUNTED, after=after, upto=page.upto):
            bets[row.archive_id] += row.bets
            events[row.archive_id] += int(row.events)
        after, done = page.upto, done + page.bets
        on_progress(Progress(_NAME, done, None))
