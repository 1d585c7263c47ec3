"""A live game whose worker dies, whose workflow is lost, or whose history is full: its rounds go on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from betcore.domain.ids import live_game_workflow_id
from betcore.domain.live_rounds import RoundState
from devkit.sandbox.provider.client import AggregatorClient
from devkit.sandbox.provider.draw import Account, DrawBook, DrawGame
from tests.live import LiveTable, live_table, soon
from tests.partner import Stack, eventually, until

WITHIN = 120


@pytest.fixture(scope="module")
def stack(sweeping: Stack) -> Stack:
    """It has one worker, which dies, and soon resumes what has no workflow."""
    return sweeping


async def new_table(stack: Stack, profile: str = "") -> LiveTable:
    return await live_table(await stack.partner(provider=profile))


@pytest.mark.edge_case(253)
@pytest.mark.parametrize("state", ["awaiting", "betting", "finished", "cancelled"])
async def test_a_worker_dies_when_a_report_is_recorded_and_not_answered(stack: Stack, state: str) -> None:
    table = await new_table(stack)
    fields = {"results": [1]} if state == "finished" else {}
    if state != "awaiting":
        await table.reported("r-1", "awaiting")
    (stack.failpoints / "round_recorded").touch()
    answer = await until(partial(table.report, "r-1", state, **fields), WITHIN)
    assert answer.outcome == (1, None)
    assert not (stack.failpoints / "round_recorded").exists()
    found = await table.round("r-1")
    assert found is not None
    assert found.edition == 1


@pytest.mark.edge_case(253)
async def test_a_lost_workflow_comes_back_with_the_next_report(stack: Stack) -> None:
    table = await new_table(stack)
    await table.reported("r-1", "betting")
    await stack.client.get_workflow_handle(live_game_workflow_id(table.game_type)).terminate("a test")
    await table.reported("r-1", "finished", results=[1])
    await table.reported("r-2", "awaiting")
    await table.reported("r-2", "cancelled")


@pytest.mark.edge_case(253)
async def test_a_lost_workflow_of_a_running_round_comes_back_by_the_sweep(stack: Stack) -> None:
    table = await new_table(stack, "live: {result_within: 6}")
    await table.reported("r-1", "betting", bettingClosesAt=soon(1))
    handle = stack.client.get_workflow_handle(live_game_workflow_id(table.game_type))
    await handle.terminate("a test")
    # No provider says anything any more: time alone puts the round into review.
    await table.becomes("r-1", RoundState.REVIEW, WITHIN)


@pytest.mark.edge_case(253)
async def test_a_game_goes_on_in_a_new_run_after_a_hundred_rounds(stack: Stack) -> None:
    table = await new_table(stack)
    handle = stack.client.get_workflow_handle(live_game_workflow_id(table.game_type))
    await table.reported("r-0", "finished", results=[0])
    first = (await handle.describe()).run_id
    for number in range(1, 103):
        await table.reported(f"r-{number}", "finished", results=[number])

    async def is_another_run() -> bool:
        return (await handle.describe()).run_id != first

    await eventually(is_another_run)
    found = await table.round("r-102")
    assert found is not None
    assert found.edition == 103


@asynccontextmanager
async def _drawing(table: LiveTable, book: Path) -> AsyncIterator[None]:
    """Let the draw game of the sandbox's provider play rounds of two seconds by its book."""
    partner = table.partner
    account = Account(partner.counterparty_id, partner.secret, table.game_type)
    client = AggregatorClient(
        partner.stack.http, partner.stack.addresses["api"], account.counterparty_id, account.secret
    )
    playing = asyncio.create_task(DrawGame(client, account, DrawBook(book), timedelta(seconds=2)).run())
    try:
        yield
    finally:
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing


@pytest.mark.edge_case(253)
async def test_a_draw_goes_on_whoever_of_its_processes_dies(stack: Stack, tmp_path: Path) -> None:
    """The worker and the API are killed; the provider's own process ends in the middle of a round, and its book stays.

    No round is lost or given up, and each one's results follow from the seed that it has promised.
    """
    table = await new_table(stack)

    async def two_more_end() -> None:
        goal = len(await table.live.newest(table.game_type, 100)) + 2

        async def have_ended() -> bool:
            rounds = await table.live.newest(table.game_type, 100)
            return sum(one.state is RoundState.FINISHED for one in rounds) >= goal

        await eventually(have_ended, WITHIN)

    for killed in ("worker-1", "api"):
        async with _drawing(table, tmp_path / "draw.json"):
            await two_more_end()
            os.kill(stack.pid(killed), signal.SIGKILL)
            await two_more_end()
    rounds = await table.live.newest(table.game_type, 100)
    assert len({one.edition for one in rounds}) == max(one.edition for one in rounds)
    assert {one.state for one in rounds[1:]} == {RoundState.FINISHED}
    assert all(one.seed and one.results for one in rounds if one.state is RoundState.FINISHED)
