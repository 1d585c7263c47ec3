"""Replay a history with the workflows at hand, and report in one sentence the first command that differs.

Temporal reports that a command does not fit, often without its event. So the commands of the code are recorded during
the replay, and compared with the commands that the history's events show.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime
from temporalio.worker import Interceptor, Replayer, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

WHAT_TO_DO = (
    "A bet that took this path and is still open would stop at this release. Keep what the history has: put the new "
    "step behind `if workflow.patched(...)`, the old one into its else branch, and record a history of the new path "
    "(make histories). A patch that was taken out goes back in. The old history stays as it is."
)
# Written by the server beside a patch's marker, not by the code.
_VERSIONS = "TemporalChangeVersion"


class Step(NamedTuple):
    """One command. ``number`` is Temporal's of a timer, and 0 for the rest."""

    kind: str
    name: str = ""
    number: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()

    def matches(self, other: "Step | None") -> bool:
        """Return whether Temporal takes both for the same command; it ignores the time of a timer."""
        return other is not None and self.kind == other.kind and (self.kind == "timer" or self.name == other.name)


@dataclass(frozen=True)
class Replayed:
    """What a history has, each step with its event's number, and what the code does."""

    name: str
    then: list[tuple[int, Step]]
    now: list[Step]
    reason: str | None

    @property
    def complaint(self) -> str | None:
        """Return the command that differs and what to do; None if the code can continue this history."""
        if self.reason is None:
            return None
        return f"history {self.name}, {self.difference}.\n{WHAT_TO_DO}\nTemporal says: {self.reason}"

    @property
    def difference(self) -> str:
        """Return the first command that differs, in one sentence."""
        for position, (event, step) in enumerate(self.then):
            instead = self.now[position] if position < len(self.now) else None
            if not step.matches(instead):
                return f"event {event}: it has {step}, the code now does {instead or 'nothing'}"
        more = self.now[len(self.then) :]
        # A handler that is gone, or the like, is no step.
        return f"after its last step: the code now does {more[0]}" if more else "whose steps are still the same"


async def replay(
    history: WorkflowHistory,
    workflows: Sequence[type],
    converter: DataConverter = pydantic_data_converter,
    interceptors: Sequence[Interceptor] = (),
    runtime: Runtime | None = None,
) -> Replayed:
    """Replay a history, whose workflow id is taken for its name, with these workflows; ``runtime`` logs on the way."""
    runner = _Noting()
    replayer = Replayer(
        workflows=workflows,
        data_converter=converter,
        workflow_runner=runner,
        interceptors=interceptors,
        runtime=runtime,
    )
    failure = (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure
    steps = ((event.event_id, _of_event(event)) for event in history.events)
    then = [(number, step) for number, step in steps if step is not None]
    return Replayed(history.workflow_id, then, runner.notes.steps(then), _message_of(str(failure)) if failure else None)


def _message_of(failure: str) -> str:
    """Return the message in an activation's failure, which is printed with all its fields."""
    message = re.search(r'message: "((?:\\.|[^"\\])*)"', failure)
    return message[1] if message else failure


# What the history has


def _of_event(event: HistoryEvent) -> Step | None:
    match event.event_type:
        case EventType.EVENT_TYPE_MARKER_RECORDED:
            return _of_marker(event)
        case EventType.EVENT_TYPE_TIMER_STARTED:
            timer = event.timer_started_event_attributes
            return Step("timer", _seconds(timer.start_to_fire_timeout.ToMilliseconds()), int(timer.timer_id))
        case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            return Step("activity", event.activity_task_scheduled_event_attributes.activity_type.name)
        case EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
            child = event.start_child_workflow_execution_initiated_event_attributes
            return Step("child workflow", child.workflow_type.name)
        case EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
            upsert = event.upsert_workflow_search_attributes_event_attributes
            written = upsert.search_attributes.indexed_fields
            return None if _VERSIONS in written else Step("search attributes")
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
            return Step("the end")
        case _:
            return None


def _of_marker(event: HistoryEvent) -> Step | None:
    marker = event.marker_recorded_event_attributes
    match marker.marker_name:
        case "core_local_activity":
            data = json.loads(marker.details["data"].payloads[0].data)
            return Step("local activity", data["activity_type"])
        case "core_patch":
            return Step("patch", json.loads(marker.details["patch-data"].payloads[0].data)["id"])
        case _:
            return None


# What the code does


class _Notes:
    """The commands of one run of the code."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._local: dict[int, Step] = {}
        self._cancelled: set[int] = set()

    def steps(self, then: list[tuple[int, Step]]) -> list[Step]:
        """Return the commands in the order in which a history has them.

        A local activity is recorded when it has ended; a timer that is cancelled in its own workflow task is not.
        """
        known = {step.number for _, step in then}
        done = [step for step in self._steps if step.number in known or step.number not in self._cancelled]
        return [*done, *self._local.values()]

    def activated(self, activation: WorkflowActivation) -> None:
        """Record an activation before the code runs."""
        for job in activation.jobs:
            ended = self._local.pop(job.resolve_activity.seq, None) if job.resolve_activity.is_local else None
            if ended is not None:
                self._steps.append(ended)

    def commanded(self, completion: WorkflowActivationCompletion) -> None:
        """Record the commands that the code returns."""
        if completion.HasField("failed"):
            self._steps.append(Step("nothing: it fails with", completion.failed.failure.message))
        for command in completion.successful.commands:
            step = _of_command(command)
            if command.HasField("schedule_local_activity"):
                local = command.schedule_local_activity
                self._local[local.seq] = Step("local activity", local.activity_type)
            elif command.HasField("cancel_timer"):
                self._cancelled.add(command.cancel_timer.seq)
            elif step is not None and (step.kind != "patch" or step not in self._steps):
                self._steps.append(step)


def _of_command(command: WorkflowCommand) -> Step | None:
    match command.WhichOneof("variant"):
        case "start_timer":
            timer = command.start_timer
            return Step("timer", _seconds(timer.start_to_fire_timeout.ToMilliseconds()), timer.seq)
        case "schedule_activity":
            return Step("activity", command.schedule_activity.activity_type)
        case "start_child_workflow_execution":
            return Step("child workflow", command.start_child_workflow_execution.workflow_type)
        case "upsert_workflow_search_attributes":
            return Step("search attributes")
        case "set_patch_marker":
            return Step("patch", command.set_patch_marker.patch_id)
        case "complete_workflow_execution":
            return Step("the end")
        case _:
            return None


class _Noting(WorkflowRunner):
    """Runs workflows as a worker does, and notes what they command."""

    def __init__(self) -> None:
        self.notes = _Notes()
        self._runner = SandboxedWorkflowRunner()

    def prepare_workflow(self, defn: object) -> None:
        self._runner.prepare_workflow(defn)  # type: ignore[arg-type]

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance, notes = self._runner.create_instance(det), self.notes
        activate = instance.activate

        def noted(act: WorkflowActivation) -> WorkflowActivationCompletion:
            notes.activated(act)
            completion = activate(act)
            notes.commanded(completion)
            return completion

        instance.activate = noted  # type: ignore[method-assign]  # it is the caller of the code
        return instance


def _seconds(milliseconds: int) -> str:
    return f"of {milliseconds / 1000:g} s"
