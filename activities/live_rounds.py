"""Rounds of live games, for their workflows: one transaction each, made in the workflow's own task."""

import prometheus_client
import structlog
from temporalio import activity

from betcore.db.live_reports import LiveReports
from betcore.domain.live_messages import PassTime, RecordCancel, RecordReport, RoundAnswer
from betcore.domain.live_rounds import RoundState
from betcore.runtime import failpoints

_log = structlog.get_logger()
CHANGES = prometheus_client.Counter(
    "betcore_live_rounds", "Changes of rounds of live games, by what they came to", ["game_type", "state"]
)


class LiveRoundKeeper:
    """Writes what reports, operators and time make of rounds."""

    def __init__(self, reports: LiveReports) -> None:
        self._reports = reports

    @activity.defn(name="record_round_report")
    async def record_report(self, filed: RecordReport) -> RoundAnswer:
        """Let a provider's report change its round; return the answer of the round's row."""
        return await _counted(await self._reports.record(filed))

    @activity.defn(name="record_round_cancel")
    async def record_cancel(self, filed: RecordCancel) -> RoundAnswer:
        """Cancel a round once two operators want it; return what has become of the order."""
        return await _counted(await self._reports.cancel(filed))

    @activity.defn(name="pass_round_time")
    async def pass_time(self, order: PassTime) -> RoundAnswer:
        """Close the betting of a game's round, or put it into review, if it is time for that."""
        return await _counted(await self._reports.pass_time(order.game_type, order.now))


async def _counted(answer: RoundAnswer) -> RoundAnswer:
    found = answer.round
    if answer.changed and found is not None:
        CHANGES.labels(found.game_type, found.play_status or found.state).inc()
        if found.state is RoundState.REVIEW:
            _log.warning("a round is in review", round_id=found.round_id, game_type=found.game_type, why=found.reason)
        await failpoints.reach("round_recorded")
    return answer
