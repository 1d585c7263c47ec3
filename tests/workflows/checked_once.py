"""The SDK's sandbox, with its check of a workflow class made once a process."""

from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import _Definition


class _CheckedOnce(SandboxedWorkflowRunner):
    """Every run of a workflow has a sandbox of its own, as with the SDK's runner.

    The SDK also imports each class into a sandbox whenever a worker is made: a fifth of the time of these tests, with
    the same result each time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._checked: set[type] = set()

    def prepare_workflow(self, defn: _Definition) -> None:
        if defn.cls not in self._checked:
            super().prepare_workflow(defn)
            self._checked.add(defn.cls)


_runner = _CheckedOnce()


def _in_place_of(given: WorkflowRunner | None) -> WorkflowRunner:
    assert isinstance(given, SandboxedWorkflowRunner)
    return _runner


# For a client: its workers run workflows in that sandbox.
CHECKED_ONCE = SimplePlugin("checked-once", workflow_runner=_in_place_of)
