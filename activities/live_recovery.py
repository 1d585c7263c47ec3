"""The recovery of live games, with each sweep: rounds that run, and refunds that are owed, without a workflow."""

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from betcore.db.live_reports import LiveReports
from betcore.temporal import live_games

_log = structlog.get_logger()


class LiveRecovery:
    """Starts what is lost. A workflow that runs is left alone."""

    def __init__(self, client: Client, reports: LiveReports) -> None:
        self._client = client
        self._reports = reports

    async def resume(self) -> None:
        """Have a workflow for each game whose round runs, and for each round whose refunds are owed.

        What Temporal does not take is logged: the next sweep tries again.
        """
        try:
            for game_type in await self._reports.running_games():
                await live_games.start_game(self._client, game_type)
            for order in await self._reports.owed_refunds():
                await live_games.start_refunds(self._client, order)
        except RPCError as error:
            _log.warning("live games could not be resumed", error=str(error))
