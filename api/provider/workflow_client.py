"""The API's client of bet workflows: updates and signals within a deadline, and what their failures mean."""

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import TypedDict, TypeVar

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

from betcore.domain.bet import BetRecord
from betcore.domain.errors import Code, Contradiction, OutcomeUnknown
from betcore.domain.ids import (
    BETS_QUEUE,
    TASK_TIMEOUT,
    BetKey,
    bet_workflow_id,
    current_bet_workflow_id,
    resumed_reversal_workflow_id,
    resumed_workflow_id,
    reversal_workflow_id,
)
from betcore.domain.messages import PayIn, PayOut, Refund, Reverse
from betcore.temporal import visibility
from betcore.temporal.updates import retrieve_failure, rpc_timeout
from workflows.bet import Bet
from workflows.reversal import Reversal

# The server holds an update in memory until a worker accepts it, and loses it if no worker does. An update that is not
# accepted this many seconds before the deadline is therefore sent again as a signal, which the server stores. A
# deadline of less than twice this keeps half of its time for the signal.
_FOR_THE_SIGNAL = 0.5
# Each operation of a bet has one update id: a repeat joins the first call and gets its outcome. The updates of PayIn
# and PayInOut carry no data; the API compares the row that they return. PayOuts and Refunds join only if equal.
_PAY_IN, _PAY_IN_OUT, _PAY_OUT, _REFUND = "pay_in", "pay_in_out", "pay_out", "refund"

Started = TypeVar("Started", Bet, Reversal)
End = TypeVar("End")


class _StartOptions(TypedDict):
    task_queue: str
    id_conflict_policy: WorkflowIDConflictPolicy
    id_reuse_policy: WorkflowIDReusePolicy
    task_timeout: timedelta


_START_OPTIONS: _StartOptions = {
    "task_queue": BETS_QUEUE,
    "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
    "id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE,
    "task_timeout": TASK_TIMEOUT,
}


class BetWorkflowClient:
    """Sends a provider's call to the workflow of its bet and waits for the bet's row.

    ``record`` is the row as the API has read it, None if there was none. Every method returns None if no open workflow
    has the bet, so that only its row can answer, and raises OutcomeUnknown at the deadline.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def pay_in(
        self, record: BetRecord | None, call: PayIn, attributes: TypedSearchAttributes, seconds: float
    ) -> BetRecord | None:
        """Start the bet's workflow or join it, and wait for the outcome of the PayIn or PayInOut."""
        update = _PAY_IN if call.win is None else _PAY_IN_OUT
        if record is not None and record.lives:
            return await self._update(resumed_workflow_id(record.bet_id, record.lives), update, None, seconds)
        key = BetKey(call.counterparty_id, call.provider_bet_id)
        operation = WithStartWorkflowOperation(
            Bet.run,
            call,
            id=bet_workflow_id(key),
            search_attributes=attributes,
            static_summary=visibility.summary(call, attributes),
            static_details=visibility.details(call, attributes),
            **_START_OPTIONS,
        )
        return await self._update_with_start(operation, update, None, seconds)

    async def pay_out(self, bet: BetKey, record: BetRecord | None, call: PayOut, seconds: float) -> BetRecord | None:
        """Send a PayOut and wait for its outcome. Raises Contradiction if it is not of this bet."""
        return await self._update(_workflow_id(bet, record), _PAY_OUT, call, seconds)

    async def refund(self, bet: BetKey, record: BetRecord | None, call: Refund, seconds: float) -> BetRecord | None:
        """Send a Refund and wait for its outcome. Raises Contradiction if it is not of this bet."""
        return await self._update(_workflow_id(bet, record), _REFUND, call, seconds)

    async def reverse(
        self,
        record: BetRecord,
        reverse: Reverse,
        call: Refund,
        attributes: TypedSearchAttributes,
        seconds: float,
    ) -> BetRecord | None:
        """Start the reversal of a settled bet or join it, and wait for the outcome of the Refund."""
        reversal = record.reversal
        if reversal is not None and reversal.lives:
            return await self._update(
                resumed_reversal_workflow_id(record.bet_id, reversal.lives), _REFUND, call, seconds
            )
        operation = WithStartWorkflowOperation(
            Reversal.run,
            reverse,
            id=reversal_workflow_id(BetKey(reverse.counterparty_id, reverse.provider_bet_id)),
            search_attributes=attributes,
            static_summary=visibility.summary(reverse, attributes),
            static_details=visibility.details(reverse, attributes),
            **_START_OPTIONS,
        )
        return await self._update_with_start(operation, _REFUND, call, seconds)

    async def _update_with_start(
        self, operation: WithStartWorkflowOperation[Started, End], update: str, call: Refund | None, seconds: float
    ) -> BetRecord | None:
        try:
            async with asyncio.timeout(seconds):
                record: BetRecord = await self._client.execute_update_with_start_workflow(
                    update,
                    args=[] if call is None else [call],
                    id=_update_id(update, call),
                    start_workflow_operation=operation,
                    result_type=BetRecord,
                    rpc_timeout=rpc_timeout(seconds),
                )
        except WorkflowAlreadyStartedError:
            retrieve_failure(operation)
            return None
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError, WorkflowUpdateFailedError, RPCError) as error:
            retrieve_failure(operation)
            raise OutcomeUnknown from error
        return record

    async def _update(
        self, workflow_id: str, name: str, call: PayOut | Refund | None, seconds: float
    ) -> BetRecord | None:
        handle = self._client.get_workflow_handle(workflow_id)
        loop = asyncio.get_running_loop()
        ends, update = loop.time() + seconds, None
        for_the_signal = min(_FOR_THE_SIGNAL, seconds / 2)
        try:
            # The SDK polls in a loop, and rpc_timeout limits one round of it: only this timeout limits the whole loop.
            async with asyncio.timeout_at(ends - for_the_signal):
                update = await handle.start_update(
                    name,
                    args=[] if call is None else [call],
                    id=_update_id(name, call),
                    wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                    result_type=BetRecord,
                    rpc_timeout=rpc_timeout(seconds),
                )
            async with asyncio.timeout_at(ends):
                record: BetRecord = await update.result(rpc_timeout=rpc_timeout(ends - loop.time()))
            return record
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            if update is None and call is not None and not await _signal(handle, name, call):
                return None
            raise OutcomeUnknown from error
        except WorkflowUpdateFailedError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.type == Code.DIFFERENT_DATA:
                raise Contradiction from error
            return None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            # Temporal takes ten updates of a workflow at once, and refuses more: those are signals too.
            if update is None and call is not None and not await _signal(handle, name, call):
                return None
            raise OutcomeUnknown from error


def _update_id(name: str, call: PayOut | Refund | None) -> str:
    """Return the id under which equal calls are one update, whichever process sends them.

    A call that joined an unlike one would inherit its rejection.
    """
    if call is None:
        return name
    facts: list[object] = [call.player_id]
    facts += [call.round_id, call.win.currency, call.win.minor] if isinstance(call, PayOut) else [call.after_pay_out]
    if isinstance(call, PayOut) and call.tax is not None:
        facts.append(call.tax.minor)
    if isinstance(call, PayOut) and call.jackpot is not None:
        facts.append(f"jackpot {call.jackpot}")
    return f"{name}:{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}"


def _workflow_id(bet: BetKey, record: BetRecord | None) -> str:
    """Return the id of the workflow that has a bet: its first one, or the one that resumed it."""
    return bet_workflow_id(bet) if record is None else current_bet_workflow_id(bet, record.bet_id, record.lives)


async def _signal(handle: WorkflowHandle[Started, End], name: str, call: PayOut | Refund) -> bool:
    """Send the call as a signal and return True; return False if the workflow has ended.

    Raises OutcomeUnknown if the signal fails otherwise.
    """
    try:
        await handle.signal(name, call, rpc_timeout=rpc_timeout(_FOR_THE_SIGNAL))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        # It may be lost. The provider is answered "unknown" either way, and repeats the call.
        raise OutcomeUnknown from error
    return True
