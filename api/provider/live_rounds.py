"""A provider's reports of the rounds of its live games: each becomes a message to its game's workflow."""

import time

from temporalio.client import Client

from api.provider.responses import USED_BEFORE, Reply
from api.provider.signature import Caller
from betcore.db.live_rounds import LiveRounds
from betcore.db.provider_requests import ProviderRequests
from betcore.domain.errors import Code, NotAuthorised
from betcore.domain.live_messages import ReportRound
from betcore.domain.live_rounds import RoundReport
from betcore.temporal import live_games

# Seconds before the deadline in which the answer is sent.
_TO_SEND_THE_ANSWER = 0.1


class RoundReports:
    """Sends reports on, and answers what the rounds' rows say."""

    def __init__(self, requests: ProviderRequests, live: LiveRounds, client: Client) -> None:
        self._requests = requests
        self._live = live
        self._client = client

    async def report(
        self, caller: Caller, game_type: int, round_id: str, report: RoundReport, deadline: float
    ) -> Reply:
        """Return the answer to a report. ``deadline`` is by ``time.monotonic()``.

        Raises NotAuthorised for a request id that was used before, and OutcomeUnknown at the deadline.
        """
        provider_id = caller.provider.provider_id
        if not await self._requests.claim(provider_id, caller.request_id):
            raise NotAuthorised(USED_BEFORE)
        if not await self._live.is_of(game_type, provider_id):
            # A number that no game has must not begin a workflow.
            return Reply(Code.LIVE_GAME_UNKNOWN)
        order = ReportRound(
            game_type=game_type, provider_id=provider_id, round_id=round_id, report=report, proof=caller.proof
        )
        seconds = max(deadline - _TO_SEND_THE_ANSWER - time.monotonic(), 0)
        answer = await live_games.report(self._client, order, caller.request_id, seconds)
        return Reply(answer.refusal, answer.why)
