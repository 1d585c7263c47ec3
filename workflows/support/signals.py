"""The worker's check of signals: each has one argument."""

from temporalio import workflow
from temporalio.worker import (
    HandleSignalInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)


class _OneArgument(WorkflowInboundInterceptor):
    async def handle_signal(self, input: HandleSignalInput) -> None:
        """Drop a signal that has another number of arguments.

        Its handler would fail the workflow task, and each retry of it, because the signal stays in the history.
        """
        if len(input.args) == 1:
            await super().handle_signal(input)
        else:
            workflow.logger.warning("a signal with %d arguments is dropped: %s", len(input.args), input.signal)


class SignalsOfOneArgument(Interceptor):
    """Interceptor for workers: no signal can block a workflow by what it lacks."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """Return the interceptor that checks signals."""
        return _OneArgument
