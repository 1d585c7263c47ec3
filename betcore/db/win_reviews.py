"""Wins that wait for two operators, as the bet's own workflow writes them."""

import json
from collections.abc import Sequence

from betcore.db.database import Database
from betcore.db.row_mapping import as_json, record_of
from betcore.db.statements import bets, win_reviews
from betcore.domain.activity_inputs import Pay
from betcore.domain.bet import BetRecord
from betcore.domain.proof import in_event
from betcore.domain.win_review import ReviewState, asked_as_json


class WinReviews:
    """The reviews of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hold(self, pay: Pay) -> Sequence[str]:
        """Put a win into review if it is beyond a limit of its provider; return those limits, none if it may be paid.

        Without limits the database is not asked; once the win has begun to be paid, nothing changes there.
        """
        limits, jackpot = pay.limits, pay.jackpot
        if limits is None:
            return []
        shown = {"amount": str(pay.amount), "jackpot": jackpot and str(jackpot)}
        row = await self._database.one_row(
            win_reviews.HOLD,
            bet_id=pay.bet_id,
            owner=pay.owner,
            amount=pay.amount.minor,
            tax=pay.tax.minor if pay.tax else None,
            jackpot=jackpot.amount.minor if jackpot and jackpot.amount else None,
            jackpot_id=jackpot.jackpot_id if jackpot else None,
            asked=asked_in_row(pay),
            max_win=limits.max_win.minor if limits.max_win else None,
            max_odd=limits.max_odd,
            game_max_odd=limits.game_max_odd,
            per_hour=limits.per_hour.minor if limits.per_hour else None,
            limits=as_json(limits.facts()),
            data=as_json(shown | in_event(pay.proof)),
        )
        return [] if row is None else row.reasons

    async def decide(self, bet_id: int, owner: str, verdict: ReviewState) -> BetRecord:
        """Record what two operators have decided of a win in review; return the bet as it stands then."""
        row = await self._database.one_row(win_reviews.DECIDE, bet_id=bet_id, owner=owner, verdict=verdict)
        if row is None:
            [row] = await self._database.all_rows(bets.AS_IT_STANDS, bet_id=bet_id)
        return record_of(row)


def asked_in_row(pay: Pay) -> str:
    """Return what a credit pays, as the row of its bet compares it with what is reviewed."""
    # Not ``as_json``, which leaves out what is None.
    return json.dumps(asked_as_json(pay.amount, pay.jackpot))
