"""Wins in review, as operators read them. Nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from betcore.db.database import Database
from betcore.db.row_mapping import amount_text
from betcore.db.statements import held_wins
from betcore.db.statements.held_wins import HeldWinRow
from betcore.domain.held_wins import HeldWin
from betcore.domain.money import Money


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which wins are wanted: those of all that is given. ``reason`` is the only limit that they are beyond.

    ``most`` is what a win pays at most, with its jackpot; what a pool pays is not known, and so is beyond it.
    """

    provider: str | None = None
    game: str | None = None
    casino: str | None = None
    reason: str | None = None
    since: datetime | None = None
    most: Money | None = None


class HeldWins:
    """The wins in review of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, wanted: Wanted, limit: int, bets: Sequence[int] | None = None) -> Sequence[HeldWinRow]:
        """Return at most ``limit`` wins in review, by the number of their bet; of ``bets`` alone if they are given."""
        return await self._database.all_rows(
            held_wins.LISTED,
            provider=wanted.provider,
            game=wanted.game,
            casino=wanted.casino,
            reason=wanted.reason,
            since=wanted.since,
            currency=wanted.most and wanted.most.currency,
            max_amount=wanted.most and wanted.most.minor,
            bets=None if bets is None else list(bets),
            limit=limit,
        )

    async def standing(self, wins: Sequence[HeldWin]) -> set[HeldWin]:
        """Return those of these wins that are in review now, just as they are given."""
        rows = await self.listed(Wanted(), len(wins), [win.bet_id for win in wins])
        return {seen(row) for row in rows} & set(wins)


def seen(row: HeldWinRow) -> HeldWin:
    """Return what operators see of a win."""
    jackpot = None if row.jackpot_id is None else f"pool {row.jackpot_id}"
    if row.jackpot is not None:
        jackpot = f"{row.currency} {amount_text(row.jackpot, row.currency)}"
    win = f"{row.currency} {amount_text(row.win, row.currency)}"
    return HeldWin(row.bet_id, f"{row.provider}/{row.provider_bet_id}", win, jackpot)
