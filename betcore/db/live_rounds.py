"""Live games and their rounds, as the feed, commands and the API read them; the adding of games."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from betcore.db.database import Database
from betcore.db.statements import live_rounds
from betcore.db.statements.live_rounds import LiveGameRow, RefundsRow, ReviewRow, RoundRow
from betcore.domain.errors import NotFound, PreconditionFailed
from betcore.domain.live_rounds import LiveRound


class ShownGame(NamedTuple):
    """A live game as the feed shows it, with its newest rounds, newest first."""

    game_type: int
    name_key: str
    betting_seconds: int
    in_maintenance: bool
    last_finished_id: str | None
    rounds: Sequence[LiveRound]


class Place(NamedTuple):
    """A finished round as the place from which a history goes on."""

    finished_at: datetime
    edition: int


class NewLiveGame(NamedTuple):
    """A live game to add. ``game_id`` is the provider's id of its game in the catalogue, None if it is in none."""

    game_type: int
    provider: str
    name_key: str
    betting_seconds: int
    game_id: str | None = None


class LiveRounds:
    """The live games of one database and their rounds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def shown(self, rounds: int = 1) -> Sequence[ShownGame]:
        """Return all games that are not disabled, each with at most so many of its newest rounds. One statement."""
        found: dict[int, ShownGame] = {}
        for row in await self._database.all_rows(live_rounds.SHOWN, limit=rounds):
            game = found.setdefault(
                row.game_type,
                ShownGame(
                    row.game_type, row.name_key, row.betting_seconds, row.in_maintenance, row.last_finished_id, []
                ),
            )
            if row.round is not None:
                found[row.game_type] = game._replace(rounds=[*game.rounds, round_of(row.round)])
        return list(found.values())

    async def find(self, round_id: str, game_type: int | None = None) -> Sequence[LiveRound]:
        """Return the rounds with this id: at most one for each provider, and at most one of a game."""
        rows = await self._database.all_rows(live_rounds.ROUND, round_id=round_id, game_type=game_type)
        return [round_of(row) for row in rows]

    async def results(
        self,
        game_type: int,
        finished_from: datetime | None = None,
        finished_to: datetime | None = None,
        before: Place | None = None,
        limit: int = 100,
    ) -> Sequence[LiveRound]:
        """Return finished rounds of a game, newest first: those finished in the window, ``before`` a place if one is
        given."""
        rows = await self._database.all_rows(
            live_rounds.RESULTS,
            game_type=game_type,
            finished_from=finished_from,
            finished_to=finished_to,
            before=before and before.finished_at,
            before_edition=before and before.edition,
            limit=limit,
        )
        return [round_of(row) for row in rows]

    async def newest(self, game_type: int, limit: int) -> Sequence[LiveRound]:
        """Return the newest rounds of a game, newest first."""
        rows = await self._database.all_rows(live_rounds.NEWEST, game_type=game_type, limit=limit)
        return [round_of(row) for row in rows]

    async def in_review(self, limit: int) -> Sequence[ReviewRow]:
        """Return at most ``limit`` rounds that are in review, the oldest of each game first."""
        return await self._database.all_rows(live_rounds.IN_REVIEW, limit=limit)

    async def refunds(self, game_type: int, round_id: str) -> RefundsRow:
        """Return how the refunds of a round stand, and how many of its bets are open. Raises NotFound."""
        row = await self._database.one_row(live_rounds.REFUNDS, game_type=game_type, round_id=round_id)
        if row is None:
            raise NotFound(f"no round {round_id} of live game {game_type}")
        return row

    async def is_of(self, game_type: int, provider_id: int) -> bool:
        """Return whether a live game is this provider's."""
        given = {"game_type": game_type, "provider_id": provider_id}
        return await self._database.one_row(live_rounds.OF_PROVIDER, **given) is not None

    async def games(self) -> Sequence[LiveGameRow]:
        """Return all live games."""
        return await self._database.all_rows(live_rounds.GAMES, game_type=None)

    async def game(self, game_type: int) -> LiveGameRow:
        """Return a live game. Raises NotFound."""
        row = await self._database.one_row(live_rounds.GAMES, game_type=game_type)
        if row is None:
            raise _unknown(game_type)
        return row

    async def add_game(self, game: NewLiveGame) -> LiveGameRow:
        """Add a live game. Raises NotFound without its provider or game, PreconditionFailed(already_exists)."""
        made = await self._database.one_row(
            live_rounds.ADD_GAME,
            game_type=game.game_type,
            provider=game.provider,
            provider_game_id=game.game_id,
            name=game.name_key,
            betting_seconds=game.betting_seconds,
        )
        if made is None:
            if any(row.game_type == game.game_type for row in await self.games()):
                raise PreconditionFailed(f"there is a live game {game.game_type}", code="already_exists")
            raise NotFound("no such provider, or it has no such game")
        return await self.game(game.game_type)

    async def set_maintenance(self, game_type: int, in_maintenance: bool) -> LiveGameRow:
        """Let the feed show that a game is in maintenance, or is no longer. Raises NotFound."""
        given = {"game_type": game_type, "in_maintenance": in_maintenance}
        if await self._database.one_row(live_rounds.SET_MAINTENANCE, **given) is None:
            raise _unknown(game_type)
        return await self.game(game_type)

    async def disable_game(self, game_type: int) -> LiveGameRow:
        """Let a game have no new rounds, and the feed show it no more. Raises NotFound."""
        if await self._database.one_row(live_rounds.DISABLE_GAME, game_type=game_type) is None:
            raise _unknown(game_type)
        return await self.game(game_type)


def round_of(row: RoundRow) -> LiveRound:
    """Return a round as a message."""
    return LiveRound.model_validate(
        {name: getattr(row, name) for name in LiveRound.model_fields if name != "results"}
        | {"results": tuple(row.results or ())}
    )


def _unknown(game_type: int) -> NotFound:
    return NotFound(f"no live game {game_type}")
