"""The games as casinos see them."""

from dataclasses import dataclass
from datetime import datetime

from betcore.db.database import Database
from betcore.db.statements import games
from betcore.db.statements.games import GameRow


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which games, at most ``limit`` of them: those that have changed after a moment, of one category or provider."""

    changed_after: datetime
    limit: int
    category: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Games in the order of their changes; ``more`` is whether others follow."""

    games: list[GameRow]
    more: bool


class Games:
    """Reads the catalogue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, wanted: Wanted) -> Page:
        """Return the next games. A game that changes while pages are read comes again, and none is passed over."""
        found = await self._database.all_rows(
            games.PAGE,
            changed_after=wanted.changed_after,
            category=wanted.category,
            provider=wanted.provider,
            limit=wanted.limit + 1,
        )
        return Page(found[: wanted.limit], len(found) > wanted.limit)
