"""A worker process runs as many things at once as its settings say."""

from temporalio.client import Client

from betcore.runtime.settings import Settings
from tests.in_process_casino import open_casino
from worker import workers

_OTHERS = Settings(
    workflow_sandbox=True,
    worker_slots=12,
    worker_max_cached_workflows=34,
    worker_workflow_pollers=6,
    worker_new_workflow_polls=0.5,
    worker_activity_pollers=7,
    worker_build_id="1.5.0",
)


async def test_slots_cache_and_pollers_are_settings(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino:
        bets, slow_lane = (one.config() for one in workers(temporal, casino.activities(temporal), _OTHERS))

    assert bets.get("max_concurrent_workflow_tasks") == bets.get("max_concurrent_local_activities") == 12
    assert slow_lane.get("max_concurrent_activities") == 12
    assert bets.get("max_cached_workflows") == 34
    assert getattr(bets.get("workflow_task_poller_behavior"), "maximum", None) == 6
    assert bets.get("nonsticky_to_sticky_poll_ratio") == 0.5
    assert getattr(slow_lane.get("activity_task_poller_behavior"), "maximum", None) == 7
