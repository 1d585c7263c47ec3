"""How the workflows beside the bets have something done that may take long."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import MISSED_AFTER
    from betcore.domain.ids import WALLET_QUEUE


async def at_length(method: Any, *order: Any, summary: str, within: timedelta, retry: RetryPolicy) -> Any:
    """The result of an activity that beats (``activities/heartbeat.py``); where its worker is gone another one begins
    it anew, long before ``within`` is over."""
    return await workflow.execute_activity_method(
        method,
        args=order,
        task_queue=WALLET_QUEUE,
        start_to_close_timeout=within,
        heartbeat_timeout=MISSED_AFTER,
        retry_policy=retry,
        summary=summary,
    )
