"""What an import asks of the rows before it opens cashbacks."""

from collections.abc import Sequence
from dataclasses import dataclass

from betcore.db.database import Database
from betcore.db.statements import cashback_imports
from betcore.db.statements.cashback_imports import NamedPlayerRow
from betcore.domain.errors import NotFound, PreconditionFailed
from betcore.domain.money import Money, minor_units


@dataclass(frozen=True, slots=True)
class Standing:
    """The cashback that stands under a key."""

    cashback_id: int
    player_id: int
    amount: Money


class CashbackImports:
    """The casinos, players and keys of one database, as an import looks them up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def casino_id(self, name: str) -> int:
        """Return the casino of this name. Raise NotFound, or PreconditionFailed (``casino_disabled``)."""
        casino = await self._database.one_row(cashback_imports.CASINO, casino=name)
        if casino is None:
            raise NotFound(f"there is no casino {name!r}")
        if casino.is_disabled:
            raise PreconditionFailed(f"casino {name!r} is disabled", code="casino_disabled")
        return casino.casino_id

    async def players(self, casino_id: int, names: Sequence[str]) -> dict[str, NamedPlayerRow]:
        """Return the players of a casino by the casino's ids; those that it does not have are left out."""
        given = {"casino_id": casino_id, "partner_user_ids": sorted(set(names))}
        rows = await self._database.all_rows(cashback_imports.PLAYERS, **given)
        return {row.partner_user_id: row for row in rows}

    async def standing(self, casino_id: int, keys: Sequence[str]) -> dict[str, Standing]:
        """Return the cashbacks of a casino that stand under these keys."""
        rows = await self._database.all_rows(cashback_imports.STANDING, casino_id=casino_id, keys=list(keys))
        return {
            row.key: Standing(
                row.cashback_id, row.player_id, Money(minor=minor_units(row.amount), currency=row.currency)
            )
            for row in rows
        }
