"""What a release runs: all workflows, and how an open one of each kind meets the next release."""

from collections.abc import Sequence

from temporalio.api.enums.v1 import VersioningBehavior as Behavior
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.workflow import _Definition

from betcore.temporal.releases import DEPLOYMENT
from workflows.bet import Bet
from workflows.cashback import Cashback
from workflows.cashback_rule_run import CashbackRuleRun
from workflows.cashback_rules import CashbackRules
from workflows.cashback_starts import CashbackStarts
from workflows.catalogue import CatalogueSync
from workflows.jackpots import JackpotBookings
from workflows.live_game import LiveGame
from workflows.reconciliation import Reconciliation
from workflows.reconciliation_schedule import Reconciliations
from workflows.reversal import Reversal
from workflows.round_refunds import RoundRefunds
from workflows.sweep import Sweep

# They are open for hours or months, and no release can wait for that: they go on in the next one, by replay.
AUTO_UPGRADE: tuple[type, ...] = (Bet, Reversal, Cashback, CashbackRuleRun, LiveGame, RoundRefunds)
# They end within minutes (a comparison of books within hours), in the release that has begun them.
PINNED: tuple[type, ...] = (
    *(Sweep, CashbackStarts, CashbackRules, JackpotBookings, Reconciliations, Reconciliation, CatalogueSync),
)
_PINNED = Behavior.VERSIONING_BEHAVIOR_PINNED
WORKFLOWS = (*AUTO_UPGRADE, *PINNED)


def deployment(build_id: str, *, versioned: bool) -> WorkerDeploymentConfig:
    """Return how a worker introduces itself to Temporal; if it is not versioned, histories still name its release."""
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(DEPLOYMENT, build_id),
        use_worker_versioning=versioned,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE if versioned else VersioningBehavior.UNSPECIFIED,
    )


class PinningRunner(WorkflowRunner):
    """Runs workflows as another runner does; those that are ``PINNED`` stay in the release that has begun them.

    Temporal fails each task of a class that declares this by itself, if its worker is not versioned; and the same
    classes run in both kinds of worker.
    """

    def __init__(self, runner: WorkflowRunner) -> None:
        self._runner = runner

    def prepare_workflow(self, defn: _Definition) -> None:
        """Check a workflow when the worker starts."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return an instance of a workflow, which tells Temporal with each task if it is pinned."""
        instance = self._runner.create_instance(det)
        if det.defn.cls in PINNED:
            activate = instance.activate

            def pinned(act: WorkflowActivation) -> WorkflowActivationCompletion:
                completion = activate(act)
                if completion.HasField("successful"):
                    completion.successful.versioning_behavior = _PINNED
                return completion

            instance.activate = pinned  # type: ignore[method-assign]  # it is the caller of the code
        return instance

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        """Pass on which errors fail a workflow."""
        self._runner.set_worker_level_failure_exception_types(types)
