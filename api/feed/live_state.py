"""The live games as this process shows them: read twice a second, and encoded once for all clients."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from time import monotonic, time

import structlog

from api.feed.hub_messages import END, MOST_ROUNDS
from betcore.db.database import DatabaseError
from betcore.db.live_rounds import LiveRounds, ShownGame
from betcore.domain.live_rounds import LiveRound, RoundState

_log = structlog.get_logger()

EVERY = 0.5
# What was read longer ago is shown to no client: a countdown that runs on would be a lie.
_GOOD_FOR = 10.0


class LiveState:
    """What was read last. ``watch`` keeps reading.

    It is polled: a notification in a transaction that moves money would take a lock of the whole server at its commit.
    """

    def __init__(self, rounds: LiveRounds) -> None:
        self._rounds = rounds
        self._games: dict[int, ShownGame] = {}
        self._tails: dict[tuple[int, int], str] = {}
        self._read_at = -_GOOD_FOR

    async def watch(self) -> None:
        """Read twice a second, until cancelled. A failure is logged, and tried again."""
        failing = False
        while True:
            begun = monotonic()
            try:
                await self.read()
                failing = False
            except DatabaseError as error:
                if not failing:
                    _log.warning("live games could not be read", error=str(error))
                failing = True
            await asyncio.sleep(max(0.0, begun + EVERY - monotonic()))

    async def read(self) -> None:
        """Read the live games. Raises DatabaseError."""
        begun = monotonic()
        found = await self._rounds.shown(MOST_ROUNDS)
        self._games = {game.game_type: game for game in found}
        self._tails = {}
        self._read_at = begun

    @property
    def is_fresh(self) -> bool:
        """Return whether it was read seconds ago at most."""
        return monotonic() - self._read_at < _GOOD_FOR

    def games(self) -> Sequence[ShownGame]:
        """Return the live games."""
        return list(self._games.values())

    def shows(self, game_type: int) -> bool:
        """Return whether there is a live game of this number, or may be one: what is read later shows it."""
        return game_type in self._games or not self.is_fresh

    def tail(self, game_type: int, rounds: int) -> str | None:
        """Return a frame of a game behind the number of its tick; None if the game is not known, or not any more."""
        if not self.is_fresh:
            return None
        found = self._tails.get((game_type, rounds))
        if found is None and (game := self._games.get(game_type)) is not None:
            found = self._tails[game_type, rounds] = _tail(game, rounds)
        return found


def results(found: LiveRound) -> dict[str, object]:
    """Return the results of a round as the feed writes them."""
    return {"items": [{"value": value} for value in found.results]}


def _tail(game: ShownGame, rounds: int) -> str:
    current = game.rounds[0] if game.rounds else None
    fields = {
        "tst": round(time() * 1000),
        "im": game.in_maintenance,
        "bt": current and _seconds(current.betting_closes_at),
        "wgi": [_shown(game, one, current) for one in game.rounds[:rounds]],
    }
    return f",{json.dumps(fields, separators=(',', ':'))[1:]}]}}{END}"


def _shown(game: ShownGame, one: LiveRound, current: LiveRound | None) -> dict[str, object]:
    return {
        "i": one.round_id,
        "t": one.game_type,
        "ge": one.edition,
        "lrId": game.last_finished_id,
        "s": one.state.number,
        "ps": one.play_status.number if one.play_status else None,
        "cr": current.round_id if current else None,
        "sdt": _seconds(one.started_at),
        "results": results(one) if one.state is RoundState.FINISHED else None,
    }


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
