"""The checks on our own rows: outcome, sums, identity, told, and what is parked without an incident."""

from datetime import datetime

from betcore.db.database import Database, Transaction
from betcore.db.statements import verify_books, verify_guards, verify_rows
from betcore.db.statements.verify_rows import FaultRow
from betcore.verify.report import OnProgress, Progress, Report, Violation, named
from betcore.verify.sums import Sums

# Bets of one transaction; it takes a fraction of a second, and holds no lock that a bet waits for.
BATCH = 5000

# Faults by their names in the statement: the check, and a description. The facts of the bet follow it.
FAULTS = {
    "two_outcomes": ("outcome", "it was paid out and returned, and no reversal says so"),
    "unfitting": ("outcome", "its movements do not fit its state"),
    "closed_at": ("outcome", "its state and the time of its end do not fit"),
    "reversed_by": ("outcome", "the bet and its reversal do not say the same"),
    "amount": ("sums", "a movement has another amount than the bet"),
    "sum": ("sums", "its movements add up to something else than the bet says"),
    "movement_twice": ("identity", "two movements have one identity"),
    "reversal_twice": ("identity", "it has two reversals"),
    "return_twice": ("identity", "bet and reversal would return the stake under one identity"),
    "strangers": ("identity", "its session, player, casino, game and currency do not belong together"),
    "too_large": ("identity", "its number is too large for the JSON of casinos"),
    "told_off_record": ("told", 'its provider was answered "done" and its row does not know'),
    "told_unheard": ("told", "it counts as told, and neither an answer nor a payout has told it"),
    "told_too_soon": ("told", 'its provider was answered "done" before it was'),
    "told_too_late": ("told", 'its provider was answered "done" and the bet was taken back unless told'),
    "settled_untold": ("told", "it is paid out and does not count as told"),
    "review_untold": ("owed", "its win is in review, and no incident tells a person"),
    "refused_paid": ("outcome", "it is paid the win that operators have refused"),
    "parked_untold": ("owed", "a movement is parked, and no incident tells a person"),
}


async def first_after(database: Database, since: datetime | None) -> int:
    """Return the BetId before the first bet opened at ``since`` or later; 0 for all bets."""
    if since is None:
        return 0
    [before] = await database.all_rows(verify_rows.BEFORE, since=since)
    return before.bet_id


async def check_rows(database: Database, after: int, report: Report, on_progress: OnProgress) -> None:
    """Look at every bet behind a number, a batch at a time; each batch is one read-only snapshot."""
    [whole] = await database.all_rows(verify_rows.WHOLE, after=after)
    casinos = {row.casino_id: row.name for row in await database.all_rows(verify_books.CASINOS)}
    await _guards(database, report)
    adding, done = Sums(report, casinos), 0
    while True:
        async with database.transaction("repeatable_read", readonly=True) as transaction:
            [page] = await transaction.all_rows(verify_rows.NEXT, after=after, limit=BATCH)
            if page.upto is None:
                break
            await _faults(transaction, after, page.upto, report)
            adding.add_bets(await transaction.all_rows(verify_rows.SUMS, after=after, upto=page.upto))
        after, done = page.upto, done + page.bets
        on_progress(Progress("rows", done, max(whole.bets, done)))
    for name in ("outcome", "sums", "identity", "told"):
        report.checks[name].looked_at = done
    adding.note("bets")


async def _faults(transaction: Transaction, after: int, upto: int, report: Report) -> None:
    for row in await transaction.all_rows(verify_rows.FAULTS, after=after, upto=upto):
        for fault in row.faults:
            check, what = FAULTS[fault]
            report.add(named(check, row, f"{what}: {_facts(row)}"))


def _facts(row: FaultRow) -> str:
    reversal = f", its reversal {row.reversal_is}" if row.reversal_is else ""
    return f"{row.state}{reversal}; movements (type, state, minor units): {', '.join(row.described or ()) or 'none'}"


async def _guards(database: Database, report: Report) -> None:
    lacking = [row.lacking for row in await database.all_rows(verify_guards.GUARDS)]
    for what in lacking:
        report.add(Violation("identity", "", "", f"the database does not guard itself any more: no {what}"))
    if "unique key bet (provider_id,provider_bet_id)" in lacking:
        for row in await database.all_rows(verify_guards.BETS_TWICE):
            report.add(named("identity", row, "two bets have one key"))
