"""What every workflow's signals have in common: one argument each."""

from temporalio import workflow
from temporalio.worker import (
    HandleSignalInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)


class _OneArgument(WorkflowInboundInterceptor):
    async def handle_signal(self, input: HandleSignalInput) -> None:
        """Drop a signal that has another number of arguments: calling its handler would fail the workflow task, and
        each retry of it, because the signal stays in the history."""
        if len(input.args) == 1:
            await super().handle_signal(input)
        else:
            workflow.logger.warning("a signal with %d arguments is dropped: %s", len(input.args), input.signal)


class SignalsOfOneArgument(Interceptor):
    """For workers: no signal can block a workflow by what it lacks."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """Return the check of signals."""
        return _OneArgument
