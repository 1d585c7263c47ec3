"""Spans across Temporal: of what a process asks of it, and of the activities that a worker runs.

``temporalio.contrib.opentelemetry`` is not used. It puts all that a workflow ever does into the trace of its start, for
days; writes texts of errors into spans; and a message whose header cannot be read fails the workflow task for good.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from temporalio import activity, client
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from betcore.domain.activity_inputs import Step
from betcore.runtime.spans import Span
from betcore.telemetry.trace_cause import HEADER, Cause

if TYPE_CHECKING:
    from betcore.telemetry.tracing import Tracing

Headers = Mapping[str, Payload]


class MessagesTraced(client.Interceptor):
    """Interceptor for clients: a span of each start, update and signal, which goes with the message as its cause.

    What is done without a span, or in one that is not kept, goes without.
    """

    def __init__(self, tracing: "Tracing") -> None:
        self._tracing = tracing

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """Return the link between the client and Temporal that makes the spans."""
        return _Messages(super().intercept_client(next), self._tracing)


class _Messages(client.OutboundInterceptor):
    def __init__(self, next: client.OutboundInterceptor, tracing: "Tracing") -> None:
        super().__init__(next)
        self._tracing = tracing

    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        async with self._sending(f"start {input.workflow}", input.id, input.headers) as input.headers:
            return await super().start_workflow(input)

    async def signal_workflow(self, input: client.SignalWorkflowInput) -> None:
        async with self._sending(f"signal {input.signal}", input.id, input.headers) as input.headers:
            await super().signal_workflow(input)

    async def start_workflow_update(self, input: client.StartWorkflowUpdateInput) -> client.WorkflowUpdateHandle[Any]:
        async with self._sending(f"update {input.update}", input.id, input.headers) as input.headers:
            return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: client.StartWorkflowUpdateWithStartInput
    ) -> client.WorkflowUpdateHandle[Any]:
        # The update alone has the header: a workflow takes its first messages before it begins.
        update = input.update_workflow_input
        async with self._sending(
            f"update {update.update}", input.start_workflow_input.id, update.headers
        ) as update.headers:
            return await super().start_update_with_start_workflow(input)

    @asynccontextmanager
    async def _sending(self, name: str, workflow_id: str, headers: Headers) -> AsyncIterator[Headers]:
        """Make the span of a message, and yield the headers with which it goes."""
        with self._tracing.calling(name, {"betcore.workflow_id": workflow_id}) as span:
            cause = self._tracing.cause()
            try:
                yield {**headers, HEADER: cause.payload()} if cause else headers
            except RPCError as error:
                span.fail(f"rpc_{error.status.name.lower()}")
                raise
            except BaseException as error:
                span.fail(type(error).__name__)
                raise


class ActivitiesTraced(Interceptor):
    """Interceptor for workers: a span of each attempt of an activity.

    A local activity that no call of a kept trace has caused has none: it is a part of a call whose trace is not kept.
    """

    def __init__(self, tracing: "Tracing") -> None:
        self._tracing = tracing

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Return the link between the worker and an activity that makes the span."""
        return _Activities(super().intercept_activity(next), self._tracing)


class _Activities(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, tracing: "Tracing") -> None:
        super().__init__(next)
        self._tracing = tracing

    async def execute_activity(self, input: ExecuteActivityInput) -> object:
        info = activity.info()
        cause = Cause.read(input.headers.get(HEADER))
        if cause is None and info.is_local:
            return await super().execute_activity(input)
        facts = {
            "betcore.workflow_id": info.workflow_id or "",
            "betcore.run_id": info.workflow_run_id or "",
            "betcore.lane": "fast" if info.is_local else "slow",
            "betcore.activity_attempt": info.attempt,
        }
        with self._tracing.working(info.activity_type, facts, cause) as span:
            try:
                result = await super().execute_activity(input)
            except BaseException as error:
                span.fail(_kind(error))
                raise
            _note(span, result)
            return result


def _note(span: Span, result: object) -> None:
    if isinstance(result, Step):
        span.note({"betcore.progress": result.progress})


def _kind(error: BaseException) -> str:
    """Return the type of an error: its text may be anything."""
    named = error.type if isinstance(error, ApplicationError) else None
    return named or type(error).__name__
