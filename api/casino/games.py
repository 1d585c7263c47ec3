"""The catalogue as a casino reads it: all games by pages, and later what has changed since."""

import re
from datetime import UTC, datetime, timedelta

from fastapi import Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from api.casino.responses import render_tagged
from api.request_query import one_text
from betcore.db.games import Games, Wanted
from betcore.db.statements.games import GameRow
from betcore.domain.errors import Malformed

_MOST = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"[0-9a-f]{1,14}")
_LIMIT = re.compile(r"[1-9][0-9]{0,2}")
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
    limit = one_text(query, "limit")
    if limit is not None and (not _LIMIT.fullmatch(limit) or int(limit) > _MOST):
        raise Malformed(f"limit is a number from 1 to {_MOST}")
    since, cursor = one_text(query, "updatedSince"), one_text(query, "cursor")
    return Wanted(
        changed_after=max(_EPOCH if since is None else _moment(since), _EPOCH if cursor is None else _place(cursor)),
        limit=_MOST if limit is None else int(limit),
        category=one_text(query, "category"),
        provider=one_text(query, "provider"),
    )


def _moment(given: str) -> datetime:
    try:
        # An unescaped plus sign of a time zone arrives as a blank.
        found = datetime.fromisoformat(given.replace(" ", "+"))
        return max(found.astimezone(UTC), _EPOCH) if found.tzinfo else _refuse_moment()
    except (ValueError, OverflowError):
        return _refuse_moment()


def _refuse_moment() -> datetime:
    raise Malformed("updatedSince is a time with its zone, such as 2026-11-26T10:30:00.123456Z")


def _place(cursor: str) -> datetime:
    """Return the moment that a cursor stands for: the inverse of ``_cursor_text``."""
    try:
        if not _CURSOR.fullmatch(cursor):
            raise ValueError
        return _EPOCH + int(cursor, 16) * _MICROSECOND
    except (ValueError, OverflowError):
        raise Malformed("cursor is the NextCursor of an answer") from None


def _cursor_text(moment: datetime) -> str:
    return f"{(moment - _EPOCH) // _MICROSECOND:x}"


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
