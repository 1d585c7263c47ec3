"""The workflow of a live game, where hours pass in a moment."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from betcore.domain.errors import OutcomeUnknown
from betcore.domain.live_messages import CancelRound, ReportRound
from betcore.domain.live_rounds import NO_RESULT, RoundReport, RoundState
from betcore.temporal import live_games
from tests.in_process_casino import open_casino
from tests.partner import eventually
from tests.workflows.bets import sweep, working
from tests.workflows.live import LiveGamePlayed


@pytest.mark.edge_case(252)
async def test_betting_closes_after_an_hour_and_results_are_missed(
    database_url: str, skipping: WorkflowEnvironment
) -> None:
    async with open_casino(database_url) as casino, working(skipping.client, casino):
        game = await LiveGamePlayed.of(skipping.client, casino)
        closes = datetime.now(UTC) + timedelta(hours=1)
        await game.report("r-1", "betting", betting_closes_at=closes)
        late = await game.becomes("r-1", RoundState.REVIEW)
        assert (late.reason, late.betting_closes_at) == (NO_RESULT, closes)
        assert late.results_due_at == closes + timedelta(seconds=300)
        assert (await game.report("r-2", "awaiting")).refusal is None
        assert (await game.report("r-1", "finished", results=(1,))).refusal is None
        await game.report("r-2", "cancelled")


@pytest.mark.edge_case(253)
async def test_the_sweep_leaves_a_game_that_runs_alone_and_starts_a_lost_one(
    database_url: str, temporal: Client
) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        game = await LiveGamePlayed.of(temporal, casino)
        await game.report("r-1", "awaiting")
        first = (await game.handle.describe()).run_id
        await sweep(casino, temporal)
        assert (await game.handle.describe()).run_id == first
        await game.handle.terminate("a test")
        await sweep(casino, temporal)

        async def runs_again() -> bool:
            return (await game.handle.describe()).run_id != first

        await eventually(runs_again)
        await game.report("r-1", "cancelled")
        await game.handle.terminate("a test")
        gone = (await game.handle.describe()).run_id
        # Nothing runs: there is nothing to start a workflow for.
        await sweep(casino, temporal)
        assert (await game.handle.describe()).run_id == gone


async def test_a_message_of_another_game_is_not_taken(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        game = await LiveGamePlayed.of(temporal, casino)
        await game.report("r-1", "awaiting")
        report = RoundReport.model_validate({"state": "betting"})
        other = ReportRound(game_type=2, provider_id=game.provider_id, round_id="r-1", report=report)
        with pytest.raises(Exception, match="Workflow update failed"):
            await game.handle.execute_update("report", other)
        assert (await game.round("r-1")).state is RoundState.AWAITING
        await game.report("r-1", "cancelled")


async def test_without_a_worker_the_outcome_is_unknown(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino:
        game = await LiveGamePlayed.of(temporal, casino)
        order = CancelRound(game_type=1, round_id="r-1", operator="ann", reason="a test")
        with pytest.raises(OutcomeUnknown):
            await live_games.cancel(temporal, order, "an order", 0.5)
        await game.handle.terminate("a test")
