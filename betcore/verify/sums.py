"""The sums of the report: what rows and movements come to, for each casino and player."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from betcore.db.statements.verify_cashbacks import CashbackSumRow
from betcore.db.statements.verify_rows import SumRow
from betcore.domain.money import minor_units
from betcore.verify.report import Report, Sum

# Players that differ and are named.
_NAMED = 20


class _SumRow(Protocol):
    """Sums of a casino in one currency, or of one of its players, in minor units."""

    @property
    def casino_id(self) -> int: ...
    @property
    def player_id(self) -> int | None: ...
    @property
    def currency(self) -> str: ...
    @property
    def movements(self) -> Decimal: ...
    @property
    def says(self) -> Decimal: ...
    @property
    def moved(self) -> Decimal: ...


class Sums:
    """Adds the batches up. A player is kept only while rows and movements differ, so that memory stays small."""

    def __init__(self, report: Report, casinos: dict[int, str]) -> None:
        self._report = report
        self._casinos = casinos
        self._players: dict[tuple[int, int, str], int] = {}
        self._uneven: dict[tuple[int, str], int] = {}

    def add_bets(self, rows: Sequence[SumRow]) -> None:
        """Add a batch of bets."""
        for row in rows:
            if (one := self._sum_of(row)) is not None:
                one.bets += row.bets
                one.staked += minor_units(row.staked)
                one.paid += minor_units(row.paid)
                one.returned += minor_units(row.returned)
                one.clawed_back += minor_units(row.clawed_back)
                one.jackpots += minor_units(row.jackpots)

    def add_cashbacks(self, rows: Sequence[CashbackSumRow]) -> None:
        """Add a batch of cashbacks."""
        for row in rows:
            if (one := self._sum_of(row)) is not None:
                one.cashbacks += row.cashbacks
                one.issued += minor_units(row.issued)
                one.cancelled += minor_units(row.cancelled)

    def _sum_of(self, row: _SumRow) -> Sum | None:
        """Add what every row has; return the sum to which a casino's row adds more, None for a player's."""
        left = minor_units(row.moved) - minor_units(row.says)
        if row.player_id is not None:
            player = (row.casino_id, row.player_id, row.currency)
            left += self._players.pop(player, 0)
            if left:
                self._players[player] = left
            return None
        key = (row.casino_id, row.currency)
        self._uneven[key] = self._uneven.get(key, 0) + left
        name = self._casinos.get(row.casino_id, str(row.casino_id))
        one = self._report.sums.setdefault(key, Sum(name, row.currency))
        one.movements += minor_units(row.movements)
        one.says += minor_units(row.says)
        one.moved += minor_units(row.moved)
        return one

    def note(self, what: str) -> None:
        """Note the players and casinos whose sums differ; ``what`` they are of. Each row is a violation of its own."""
        notes = self._report.checks["sums"].notes
        for (casino, player, currency), left in list(self._players.items())[:_NAMED]:
            name = self._casinos.get(casino)
            notes.append(f"player {player} of {name}, {what}: {left} minor units of {currency} too much")
        for (casino, currency), left in self._uneven.items():
            if left:
                notes.append(f"{self._casinos.get(casino)}, {what}: {left} minor units of {currency} too much")
