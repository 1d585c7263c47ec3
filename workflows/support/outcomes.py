"""Counts how bets, reversals and cashbacks end, in the SDK's metrics: those count nothing while a history replays."""

from temporalio import workflow
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

with workflow.unsafe.imports_passed_through():
    from betcore.domain.bet import BetState, ReversalState
    from betcore.domain.cashback import CashbackState
    from betcore.temporal.visibility import CASINO, PROVIDER

_OUTCOMES = (BetState, ReversalState, CashbackState)


class _Counted(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> object:
        """Run the workflow. One that has found its row taken over by another one ends without an outcome."""
        outcome = await super().execute_workflow(input)
        if isinstance(outcome, _OUTCOMES):
            info = workflow.info()
            known = info.typed_search_attributes
            counter = workflow.metric_meter().create_counter("betcore_ended", "What has ended, by outcome")
            partners = {"provider": known.get(PROVIDER) or "", "casino": known.get(CASINO) or ""}
            # The SDK adds workflow_type, task_queue and namespace.
            counter.add(1, {"outcome": str(outcome), **partners})
        return outcome


class OutcomesCounted(Interceptor):
    """Interceptor for workers: counts outcomes. It issues no command."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """Return the interceptor that counts."""
        return _Counted
