"""Messages to the workflows of bets, and what their answers and failures mean to a caller with a deadline."""

import asyncio
from datetime import timedelta

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.common import TypedSearchAttributes, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from betcore.errors import Code, Contradiction, OutcomeUnknown
from betcore.ids import BETS_QUEUE, BetKey, bet_workflow_id
from betcore.messages import BetRecord, BetState, PayIn, PayOut, Refund
from workflows.bet import Bet

# An update is held in memory until a worker accepts it; what nobody has accepted this long before the deadline is
# handed over as a signal, which the server keeps; a short deadline keeps half of itself for that.
_FOR_THE_SIGNAL = 0.5
_SHORTEST = 0.05

# One update id for each operation of a bet: a repeat joins the first call and gets its outcome.
_PAY_IN, _PAY_OUT, _REFUND = "pay_in", "pay_out", "refund"


class BetMessages:
    """The way from a provider's call to the bet's workflow."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def pay_in(
        self, call: PayIn, attributes: TypedSearchAttributes, summary: str, seconds: float
    ) -> BetRecord | None:
        """Start the bet, or join it, and wait for its row to answer the PayIn.

        None where the bet's workflow is over and only its row can answer. Raises OutcomeUnknown at the deadline.
        """
        operation = WithStartWorkflowOperation(
            Bet.run,
            call,
            id=bet_workflow_id(BetKey(call.counterparty_id, call.provider_bet_id)),
            task_queue=BETS_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=attributes,
            static_summary=summary,
        )
        try:
            async with asyncio.timeout(seconds):
                record: BetRecord = await self._client.execute_update_with_start_workflow(
                    _PAY_IN,
                    id=_PAY_IN,
                    start_workflow_operation=operation,
                    result_type=BetRecord,
                    rpc_timeout=_within(seconds),
                )
        except WorkflowAlreadyStartedError:
            _consume(operation)
            return None
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError, WorkflowUpdateFailedError, RPCError) as error:
            _consume(operation)
            raise OutcomeUnknown from error
        return record

    async def pay_out(self, bet: BetKey, call: PayOut, seconds: float) -> BetRecord | None:
        """File a PayOut and wait for the bet's row to answer it. See ``_send``."""
        return await self._send(bet, _PAY_OUT, call, seconds)

    async def refund(self, bet: BetKey, call: Refund, seconds: float) -> BetRecord | None:
        """File a Refund and wait for the bet's row to answer it. See ``_send``."""
        return await self._send(bet, _REFUND, call, seconds)

    async def _send(self, bet: BetKey, name: str, call: PayOut | Refund, seconds: float) -> BetRecord | None:
        """None where no open workflow has the bet. Raises OutcomeUnknown at the deadline, Contradiction where the call
        is not of this bet."""
        handle = self._client.get_workflow_handle_for(Bet.run, bet_workflow_id(bet))
        loop = asyncio.get_running_loop()
        ends, update = loop.time() + seconds, None
        for_the_signal = min(_FOR_THE_SIGNAL, seconds / 2)
        try:
            # The SDK polls in a loop with rpc_timeout for each round: only this one limits them all.
            async with asyncio.timeout_at(ends - for_the_signal):
                update = await handle.start_update(
                    name,
                    call,
                    id=name,
                    wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                    result_type=BetRecord,
                    rpc_timeout=_within(seconds),
                )
            async with asyncio.timeout_at(ends):
                record: BetRecord = await update.result(rpc_timeout=_within(ends - loop.time()))
            return record
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            if update is None:
                await _hand_over(handle, name, call)
            raise OutcomeUnknown from error
        except WorkflowUpdateFailedError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.type == Code.DIFFERENT_DATA:
                raise Contradiction from error
            return None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise OutcomeUnknown from error


async def _hand_over(handle: WorkflowHandle[Bet, BetState | None], name: str, call: PayOut | Refund) -> None:
    try:
        await handle.signal(name, call, rpc_timeout=_within(_FOR_THE_SIGNAL))
    except RPCError as error:
        # Not kept: the provider hears "unknown" either way, and repeats.
        raise OutcomeUnknown from error


def _within(seconds: float) -> timedelta:
    return timedelta(seconds=max(seconds, _SHORTEST))


def _consume(operation: WithStartWorkflowOperation[Bet, BetState | None]) -> None:
    """Take the failure of the start, which is the failure just met, so that nobody reports it as never retrieved."""
    start = asyncio.ensure_future(operation.workflow_handle())
    start.add_done_callback(lambda done: done.cancelled() or done.exception())
