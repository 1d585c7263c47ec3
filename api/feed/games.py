"""Live games and their rounds over HTTP: the games now, a round, and the history of results."""

import re
from datetime import UTC, datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.casino.responses import render_tagged, repeat_later
from api.feed.live_state import LiveState, results
from api.feed.translations import Translations
from api.request_query import EPOCH, one_moment, one_number, one_text
from betcore.db.live_rounds import LiveRounds, Place, ShownGame
from betcore.domain.errors import Malformed
from betcore.domain.live_rounds import LiveRound, RoundState

_MOST = 100
_LARGEST_TYPE = 32_767
_CURSOR = re.compile(r"([0-9a-f]{1,14})\.([0-9a-f]{1,15})")
_MICROSECOND = timedelta(microseconds=1)
# They change with every round; a round that has ended never does.
_SOON, _EACH_TIME, _FOREVER = "private, max-age=1", "private, no-cache", "private, max-age=31536000, immutable"
_A_DAY = "private, max-age=86400"


class LiveGamesView:
    """Answers the feed's calls about live games."""

    def __init__(self, state: LiveState, rounds: LiveRounds, translations: Translations) -> None:
        self._state = state
        self._rounds = rounds
        self._translations = translations

    async def games(self, request: Request) -> Response:
        """Return the live games as they are now. Raises Malformed."""
        language = self._language(request)
        if not self._state.is_fresh:
            return repeat_later()
        return render_tagged(request, [self._game(one, language) for one in self._state.games()], _SOON)

    async def info(self, request: Request) -> Response:
        """Return one round. Raises Malformed, and HTTPException 404."""
        round_id = one_text(request.query_params, "gameId")
        if round_id is None:
            raise Malformed("gameId is the id of a round")
        found = await self._rounds.find(round_id, one_number(request.query_params, "gameType", 1, _LARGEST_TYPE))
        if not found:
            raise HTTPException(404, "there is no such round")
        return render_tagged(request, _round(found[0]), _FOREVER if found[0].state.is_terminal else _SOON)

    async def results(self, request: Request) -> Response:
        """Return a page of a game's finished rounds, newest first. Raises Malformed."""
        query = request.query_params
        game_type = one_number(query, "gameType", 1, _LARGEST_TYPE)
        if game_type is None:
            raise Malformed("gameType is the number of a live game")
        limit = one_number(query, "limit", 1, _MOST) or _MOST
        window = one_moment(query, "from"), one_moment(query, "to")
        cursor = one_text(query, "cursor")
        before = None if cursor is None else _place(cursor)
        found = await self._rounds.results(game_type, *window, before, limit + 1)
        page = found[:limit]
        value = {
            "Games": [_round(one) for one in page],
            "NextCursor": _cursor(page[-1]) if len(found) > limit else None,
        }
        return render_tagged(request, value, _EACH_TIME)

    async def names(self, request: Request) -> Response:
        """Return the names of game types in a language. Raises Malformed."""
        language = self._language(request)
        if not self._state.is_fresh:
            return repeat_later()
        named = [
            {"GameType": one.game_type, "Name": self._translations.name(one.name_key, language)}
            for one in self._state.games()
        ]
        return render_tagged(request, {"Language": language, "GameTypes": named}, _A_DAY)

    def _language(self, request: Request) -> str:
        return self._translations.nearest(one_text(request.query_params, "language"))

    def _game(self, game: ShownGame, language: str) -> dict[str, object]:
        current = game.rounds[0] if game.rounds else None
        return {
            "GameType": game.game_type,
            "Name": self._translations.name(game.name_key, language),
            "InMaintenance": game.in_maintenance,
            "BettingSeconds": game.betting_seconds,
            "CurrentGameId": current and current.round_id,
            "State": current and current.state.number,
            "PlayStatus": current.play_status.number if current and current.play_status else None,
        }


def _round(one: LiveRound) -> dict[str, object]:
    proof = {"Commitment": one.commitment, "Seed": one.seed, "Algorithm": one.algorithm}
    return {
        "GameId": one.round_id,
        "GameType": one.game_type,
        "GameEdition": one.edition,
        "State": one.state.number,
        "StartDate": _written(one.started_at),
        "FinishDate": _written(one.finished_at),
        "Results": results(one) if one.state is RoundState.FINISHED else None,
        "Proof": proof if one.commitment else None,
    }


def _written(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _cursor(one: LiveRound) -> str:
    assert one.finished_at is not None  # noqa: S101  the history is of finished rounds
    return f"{(one.finished_at - EPOCH) // _MICROSECOND:x}.{one.edition:x}"


def _place(cursor: str) -> Place:
    """Return the place that a cursor stands for: the inverse of ``_cursor``."""
    found = _CURSOR.fullmatch(cursor)
    try:
        if found is None:
            raise ValueError
        return Place(EPOCH + int(found[1], 16) * _MICROSECOND, int(found[2], 16))
    except (ValueError, OverflowError):
        raise Malformed("cursor is the NextCursor of an answer") from None
