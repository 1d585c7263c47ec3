"""A live game against its workflow, as the API plays it."""

import uuid
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client, WorkflowHandle

from betcore.db.live_rounds import LiveRounds, NewLiveGame
from betcore.domain.ids import live_game_workflow_id
from betcore.domain.live_messages import ReportRound, RoundAnswer
from betcore.domain.live_rounds import LiveRound, RoundReport, RoundState
from betcore.temporal import live_games
from tests.in_process_casino import InProcessCasino
from tests.partner import eventually


@dataclass(frozen=True)
class LiveGamePlayed:
    """Live game 1 of a casino's provider, in one Temporal."""

    client: Client
    live: LiveRounds
    provider_id: int

    @classmethod
    async def of(cls, client: Client, casino: InProcessCasino) -> "LiveGamePlayed":
        live = LiveRounds(casino.database)
        await live.add_game(NewLiveGame(1, "p", "draw", 15))
        provider = await casino.partners.provider(casino.counterparty_id)
        assert provider is not None
        return cls(client, live, provider.provider_id)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """Return the game's workflow, whichever run it is in."""
        return self.client.get_workflow_handle(live_game_workflow_id(1))

    async def report(self, round_id: str, state: str, **fields: object) -> RoundAnswer:
        """Send a report, and return its answer."""
        report = RoundReport.model_validate({"state": state} | fields)
        order = ReportRound(game_type=1, provider_id=self.provider_id, round_id=round_id, report=report)
        return await live_games.report(self.client, order, uuid.uuid4().hex, 30)

    async def round(self, round_id: str) -> LiveRound:
        """Return a round's row."""
        [found] = await self.live.find(round_id)
        return found

    async def becomes(self, round_id: str, state: RoundState) -> LiveRound:
        """Wait until a round is in a state, and return it."""

        async def is_so() -> bool:
            return (await self.round(round_id)).state is state

        await eventually(is_so, 60)
        return await self.round(round_id)
