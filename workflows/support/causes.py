"""What causes the work of a workflow: the last message that it took. Traces show the one below the other.

A workflow makes no span itself, and issues no command for one: what is added to a command is a header, which a replay
does not compare. So traces may be switched on and off while workflows are open.
"""

from collections.abc import Callable, Mapping

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.worker import (
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

with workflow.unsafe.imports_passed_through():
    from betcore.telemetry.trace_cause import HEADER, Cause

# Shows that a worker has taken a message, by its cause, its name and what it is about. Returns the cause of what
# follows.
Took = Callable[[Cause, str, Mapping[str, str]], Cause]
_TOOK = "__betcore_took"


class _Causes(WorkflowInboundInterceptor):
    """Keeps the cause of the last message."""

    def __init__(self, next: WorkflowInboundInterceptor) -> None:
        super().__init__(next)
        self.cause: Cause | None = None
        self._took: Took = workflow.extern_functions()[_TOOK]

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Give the cause to activities."""
        super().init(_Caused(outbound, self))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> object:
        """Run the workflow; its start is the first message, unless one came with it."""
        if self.cause is None:
            self._take("start", input.headers)
        return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        """Take a signal."""
        self._take(input.signal, input.headers)
        await super().handle_signal(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> object:
        """Take an update."""
        self._take(input.update, input.headers)
        return await super().handle_update_handler(input)

    def _take(self, message: str, headers: Mapping[str, Payload]) -> None:
        # A message without a cause has one that is not traced: what follows it is no part of the trace before.
        self.cause = Cause.read(headers.get(HEADER))
        if self.cause is not None and not workflow.unsafe.is_replaying():
            info = workflow.info()
            facts = {"betcore.workflow_id": info.workflow_id, "betcore.run_id": info.run_id}
            self.cause = self._took(self.cause, f"{info.workflow_type} {message}", facts)


class _Caused(WorkflowOutboundInterceptor):
    """Sends the cause with each activity."""

    def __init__(self, next: WorkflowOutboundInterceptor, causes: _Causes) -> None:
        super().__init__(next)
        self._causes = causes

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[object]:
        """Start an activity of the slow lane."""
        input.headers = self._with_cause(input.headers)
        return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[object]:
        """Start an activity of the fast lane."""
        input.headers = self._with_cause(input.headers)
        return super().start_local_activity(input)

    def _with_cause(self, headers: Mapping[str, Payload]) -> Mapping[str, Payload]:
        cause = self._causes.cause
        return headers if cause is None else {**headers, HEADER: cause.payload()}


class CausesPassed(Interceptor):
    """Interceptor for workers: activities know the message that has caused them. It issues no command."""

    def __init__(self, took: Took) -> None:
        self._took = took

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """Return the interceptor that keeps causes."""
        input.unsafe_extern_functions[_TOOK] = self._took
        return _Causes
