"""Starting the workflow that carries an open row which has none: a lost bet or reversal, or a cashback."""

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from betcore.domain.ids import BETS_QUEUE, TASK_TIMEOUT
from betcore.domain.open_bets import Resumption
from betcore.temporal import executions, visibility


async def start_carrier(client: Client, resumption: Resumption) -> str | None:
    """Start the workflow and return its id; None if it is open already.

    This is safe at any time: the workflow takes the row by compare-and-set, or ends.
    """
    attributes = visibility.of_resumption(resumption)
    while True:
        try:
            await client.start_workflow(
                resumption.workflow,
                resumption.argument,
                id=resumption.workflow_id,
                task_queue=BETS_QUEUE,
                task_timeout=TASK_TIMEOUT,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=attributes,
                static_summary=visibility.summary(resumption.argument, attributes),
                static_details=visibility.details(resumption.argument, attributes),
            )
        except WorkflowAlreadyStartedError:
            if await executions.is_open(client, resumption.workflow_id):
                return None
            # That workflow ended before it took the row over: the next one gets another id.
            resumption = resumption.in_the_next_life()
        else:
            return resumption.workflow_id
