"""The workflows of live games: reports and orders to them, and starting the ones that are lost."""

import asyncio

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from betcore.domain.errors import OutcomeUnknown
from betcore.domain.ids import BETS_QUEUE, TASK_TIMEOUT, live_game_workflow_id, round_refunds_workflow_id
from betcore.domain.live_messages import CancelRound, LiveGameOrder, RefundRound, ReportRound, RoundAnswer
from betcore.temporal.updates import retrieve_failure, rpc_timeout
from betcore.temporal.visibility import plain


async def report(client: Client, order: ReportRound, update_id: str, seconds: float) -> RoundAnswer:
    """Send a report to its game's workflow, which is started if it does not run; return the answer of the round's row.

    Each sending has an ``update_id`` of its own: a report that was refused may be right later. Raises OutcomeUnknown.
    """
    return await _update(client, "report", order, update_id, seconds)


async def cancel(client: Client, order: CancelRound, update_id: str, seconds: float) -> RoundAnswer:
    """Send an operator's order to cancel a round, as ``report`` does."""
    return await _update(client, "cancel_round", order, update_id, seconds)


async def start_game(client: Client, game_type: int) -> None:
    """Start the workflow of a game unless it runs. Raises RPCError."""
    await client.start_workflow(
        "LiveGame",
        LiveGameOrder(game_type=game_type),
        id=live_game_workflow_id(game_type),
        static_summary=f"live game {game_type}",
        task_queue=BETS_QUEUE,
        task_timeout=TASK_TIMEOUT,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    )


async def start_refunds(client: Client, order: RefundRound) -> None:
    """Start the workflow that refunds a cancelled round unless it runs. Raises RPCError."""
    await client.start_workflow(
        "RoundRefunds",
        order,
        id=round_refunds_workflow_id(order.game_type, order.round_id),
        static_summary=f"refunds of round {plain(order.round_id)}",
        task_queue=BETS_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    )


async def _update(
    client: Client, name: str, order: ReportRound | CancelRound, update_id: str, seconds: float
) -> RoundAnswer:
    start: WithStartWorkflowOperation[object, object] = WithStartWorkflowOperation(
        "LiveGame",
        LiveGameOrder(game_type=order.game_type),
        id=live_game_workflow_id(order.game_type),
        static_summary=f"live game {order.game_type}",
        task_queue=BETS_QUEUE,
        task_timeout=TASK_TIMEOUT,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        # No money moves in it: whatever has ended it, it is begun again.
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    )
    try:
        async with asyncio.timeout(seconds):
            answer: RoundAnswer = await client.execute_update_with_start_workflow(
                name,
                order,
                id=update_id,
                start_workflow_operation=start,
                result_type=RoundAnswer,
                rpc_timeout=rpc_timeout(seconds),
            )
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError, WorkflowUpdateFailedError, RPCError) as error:
        retrieve_failure(start)
        raise OutcomeUnknown from error
    return answer
