"""Starting a run of reconciliation; the schedule and the command line do it in the same way."""

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from betcore.db.reconciliations import Wanted
from betcore.domain.ids import BETS_QUEUE


async def start_reconciliation(client: Client, wanted: Wanted) -> bool:
    """Start the workflow of a run, again where it was ended from outside; whether it was not there already."""
    try:
        await client.start_workflow(
            "Reconciliation",
            wanted.order,
            id=wanted.workflow_id,
            task_queue=BETS_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        )
    except WorkflowAlreadyStartedError:
        return False
    return True
