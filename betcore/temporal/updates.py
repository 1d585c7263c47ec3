"""What all senders of updates to workflows need."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio.client import WithStartWorkflowOperation

from betcore.runtime.tasks import retrieve

_SHORTEST = 0.05


def rpc_timeout(seconds: float) -> timedelta:
    """Return the timeout of one call to Temporal; one of nothing would mean none."""
    return timedelta(seconds=max(seconds, _SHORTEST))


def retrieve_failure(operation: "WithStartWorkflowOperation[Any, Any]") -> None:
    """Retrieve the failure of the start, which is the failure just raised: asyncio would log it as never retrieved."""
    start = asyncio.ensure_future(operation.workflow_handle())
    start.add_done_callback(retrieve)
