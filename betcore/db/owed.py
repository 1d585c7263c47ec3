"""What is owed to players, by casino, currency and age. Sums are made in the database, of whole minor units."""

from betcore.db.bet_history import known_casino
from betcore.db.database import Database
from betcore.db.row_mapping import amount_text
from betcore.db.statements import owed

Json = dict[str, object]


AGES = {1: "under a minute", 2: "under 10 minutes", 3: "under an hour", 4: "under a day", 5: "older"}


class Owed:
    """Reads what is owed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, casino: str | None = None) -> list[Json]:
        """Return count and sum (major units) of what is owed, by casino, currency and age, the oldest first.

        Raise NotFound for an unknown casino.
        """
        if casino is not None:
            await known_casino(self._database, casino)
        return [
            {
                "casino": row.casino,
                "age": AGES[row.age],
                "bets": row.bets,
                "currency": row.currency,
                "amount": amount_text(row.amount, row.currency),
                "oldest_at": row.oldest.isoformat(),
            }
            for row in await self._database.all_rows(owed.OWED, casino=casino)
        ]
