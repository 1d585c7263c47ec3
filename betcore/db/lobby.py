"""The games that players can choose from."""

from dataclasses import dataclass

from betcore.db.cache import Cache
from betcore.db.database import Database
from betcore.db.statements import lobby
from betcore.db.statements.lobby import LobbyGameRow

_ANY_CURRENCY = "EUR"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order of the games: behind the game of this name in lower case, and of this number."""

    name: str = ""
    game_id: int = 0


@dataclass(frozen=True, slots=True)
class LobbyQuery:
    """Which games, at most ``limit`` of them: of a category, with a part of their name, played in a currency."""

    limit: int
    after: Place = Place()
    category: str | None = None
    search: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class LobbyPage:
    """Games in the order of their names; ``more`` is where the next page begins, None without one."""

    games: list[LobbyGameRow]
    more: Place | None


class Lobby:
    """Reads the games that can be played now; the categories are trusted for ``cache_seconds``."""

    def __init__(self, database: Database, cache_seconds: float) -> None:
        self._database = database
        self._categories: Cache[str, list[str]] = Cache(self._read_categories, cache_seconds)

    async def page(self, query: LobbyQuery) -> LobbyPage:
        """Return the next games."""
        found = await self._database.all_rows(
            lobby.PAGE,
            after_place=query.after.name,
            after=query.after.game_id,
            category=query.category,
            search=query.search,
            currency=query.currency,
            limit=query.limit + 1,
        )
        games = found[: query.limit]
        more = Place(games[-1].place, games[-1].game_id) if len(found) > query.limit else None
        return LobbyPage(games, more)

    async def categories(self) -> list[str]:
        """Return the categories that have games, in their order."""
        return await self._categories.get("") or []

    async def demo_currency(self, game_id: int) -> str:
        """Return a currency in which a visitor can play a game for fun."""
        row = await self._database.one_row(lobby.DEMO_CURRENCY, game_id=game_id)
        return row.currency if row else _ANY_CURRENCY

    async def _read_categories(self, _: str) -> list[str]:
        return [row.category for row in await self._database.all_rows(lobby.CATEGORIES)]
