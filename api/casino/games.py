"""The catalogue as a casino reads it: all games by pages, and later what has changed since."""

import re
from datetime import UTC, datetime, timedelta

from fastapi import Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from api.casino.responses import render_tagged
from api.request_query import EPOCH, one_moment, one_number, one_text
from betcore.db.games import Games, Wanted
from betcore.db.statements.games import GameRow
from betcore.domain.errors import Malformed

_MOST = 500
_CURSOR = re.compile(r"[0-9a-f]{1,14}")
_MICROSECOND = timedelta(microseconds=1)
# The casino may keep the answer, and asks each time whether it still holds.
_CACHE = "private, no-cache"


class GamesView:
    """Answers ``GET games``."""

    def __init__(self, games: Games) -> None:
        self._games = games

    async def answer(self, request: Request) -> Response:
        """Return a page of games, or 304 if the casino has it by its ETag. Raises Malformed for a bad query."""
        page = await self._games.page(_wanted(request.query_params))
        cursor = _cursor_text(page.games[-1].updated_at) if page.more else None
        value = {"Games": [_game(one) for one in page.games], "NextCursor": cursor}
        return render_tagged(request, value, _CACHE)


def _wanted(query: QueryParams) -> Wanted:
    since, cursor = one_moment(query, "updatedSince"), one_text(query, "cursor")
    return Wanted(
        changed_after=max(since or EPOCH, EPOCH if cursor is None else _place(cursor)),
        limit=one_number(query, "limit", 1, _MOST) or _MOST,
        category=one_text(query, "category"),
        provider=one_text(query, "provider"),
    )


def _place(cursor: str) -> datetime:
    """Return the moment that a cursor stands for: the inverse of ``_cursor_text``."""
    try:
        if not _CURSOR.fullmatch(cursor):
            raise ValueError
        return EPOCH + int(cursor, 16) * _MICROSECOND
    except (ValueError, OverflowError):
        raise Malformed("cursor is the NextCursor of an answer") from None


def _cursor_text(moment: datetime) -> str:
    return f"{(moment - EPOCH) // _MICROSECOND:x}"


def _game(row: GameRow) -> dict[str, object]:
    limits = row.limits or []
    return {
        "GameId": row.game_id,
        "Provider": row.provider,
        "Name": row.name,
        "Category": row.category,
        "MaxOdd": None if row.max_odd is None else f"{row.max_odd:f}",
        "ImageUrl": row.image_url,
        "Limits": [
            {"CurrencyCode": one["currency"], "MinBet": one["min_bet"], "MaxBet": one["max_bet"]} for one in limits
        ],
        # A game that has limits is played in their currencies alone; null is any currency.
        "Currencies": [one["currency"] for one in limits] if limits or row.unnamed else None,
        "Demo": True,
        "Enabled": row.enabled,
        "UpdatedAt": row.updated_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
