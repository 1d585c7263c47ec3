"""The reversal that a bet starts itself, as its last act."""

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from workflows.reversal import Reversal

with workflow.unsafe.imports_passed_through():
    from betcore.domain.ids import TASK_TIMEOUT, BetKey, reversal_workflow_id
    from betcore.domain.messages import Reverse
    from betcore.temporal import visibility


async def start_reversal(reverse: Reverse) -> bool:
    """Start it so that it outlives the bet; False where it has begun already."""
    try:
        await workflow.start_child_workflow(
            Reversal.run,
            reverse,
            id=reversal_workflow_id(BetKey(reverse.counterparty_id, reverse.provider_bet_id)),
            task_timeout=TASK_TIMEOUT,
            parent_close_policy=ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=visibility.of_reversal(workflow.info().typed_search_attributes),
            static_summary=visibility.reversal_summary(reverse),
        )
    except WorkflowAlreadyStartedError:
        return False
    return True
