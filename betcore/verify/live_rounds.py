"""The check of rounds of live games: what has ended has its results, and no bet of a cancelled round stays open."""

from betcore.db.database import Database
from betcore.db.statements import verify_live_rounds
from betcore.domain import live_draw
from betcore.verify.report import OnProgress, Progress, Report, Violation

_NAME = "rounds"
_PAGE = 1000
# Faults by their names in the statement.
FAULTS = {
    "results": "it has results and is not finished, or is finished without",
    "no_end": "it has ended, and its row does not say when",
    "another_provider": "its provider is not that of its game",
    "open_bet": "its refunds are done, and a bet of it is open",
    "refunds_owed": "it was cancelled more than a day ago, and its refunds are not done",
}


async def check_live_rounds(database: Database, report: Report, on_progress: OnProgress) -> None:
    """Look at all rounds, page by page."""
    game_type, edition, done = 0, 0, 0
    while True:
        given = {"game_type": game_type, "edition": edition, "limit": _PAGE}
        [page] = await database.all_rows(verify_live_rounds.NEXT, **given)
        if page.game_type is None or page.edition is None:
            return
        for row in await database.all_rows(verify_live_rounds.FAULTS, **given):
            for fault in row.faults:
                bet = str(row.open_bet or "") if fault == "open_bet" else ""
                named = (row.provider_bet_id or "") if fault == "open_bet" else ""
                what = f"round {row.round_id} of live game {row.game_type}: {FAULTS[fault]}"
                report.add(Violation(_NAME, bet, named, what, row.provider))
        for finished in await database.all_rows(verify_live_rounds.PROOFS, **given):
            wrong = live_draw.fault(
                finished.round_id, finished.commitment, finished.seed, finished.algorithm, finished.results
            )
            if wrong is not None:
                what = f"round {finished.round_id} of live game {finished.game_type}: {wrong}"
                report.add(Violation(_NAME, "", "", what, finished.provider))
        game_type, edition, done = page.game_type, page.edition, done + page.rounds
        report.checks[_NAME].looked_at += page.rounds
        on_progress(Progress(_NAME, done, None))
