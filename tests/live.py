"""A live game of a test's partner: its provider's reports, and what has become of its rounds."""

import random
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from betcore.db.live_rounds import LiveRounds, NewLiveGame
from betcore.domain.errors import PreconditionFailed
from betcore.domain.live_rounds import LiveRound, RoundState
from betcore.provider import xsign
from tests.partner import Answer, TestPartner, eventually, until


@dataclass(frozen=True)
class LiveTable:
    """One live game, played by the provider of ``partner``."""

    partner: TestPartner
    game_type: int
    live: LiveRounds

    def path(self, round_id: str) -> str:
        """Return where a round is reported."""
        return f"/v1/live/{self.game_type}/rounds/{round_id}"

    async def report(self, round_id: str, state: str, **fields: Any) -> Answer:
        """Send one report, and return what it is answered."""
        return await self.send(round_id, {"state": state} | fields)

    async def send(self, round_id: str, body: dict[str, Any]) -> Answer:
        """Send a body of any kind as a report."""
        return await self.partner.call("POST", self.path(round_id), xsign.compact(body))

    async def reported(self, round_id: str, state: str, **fields: Any) -> None:
        """Report until it is done."""
        answer = await until(partial(self.report, round_id, state, **fields))
        assert answer.outcome == (1, None), answer

    async def round(self, round_id: str) -> LiveRound | None:
        """Return a round's row, None if it has none."""
        found = await self.live.find(round_id, self.game_type)
        return found[0] if found else None

    async def becomes(self, round_id: str, state: RoundState, seconds: float = 60) -> LiveRound:
        """Wait until a round is in a state, and return it."""

        async def is_so() -> bool:
            found = await self.round(round_id)
            return found is not None and found.state is state

        await eventually(is_so, seconds)
        found = await self.round(round_id)
        assert found is not None
        return found


async def live_table(partner: TestPartner, game_id: str | None = None) -> LiveTable:
    """Return a new live game of a partner. All processes of a run add games to one database."""
    live = LiveRounds(partner.stack.database)
    while True:
        number = random.randint(100, 32_000)
        try:
            game = NewLiveGame(number, partner.provider, "draw", 15, game_id)
            return LiveTable(partner, (await live.add_game(game)).game_type, live)
        except PreconditionFailed:
            continue


def soon(seconds: float) -> int:
    """Return the Unix time in whole seconds that is so far ahead."""
    return int(time.time() + seconds)
