"""Continue as new: a workflow whose history is nearly full goes on as a new run of the same workflow.

The rows hold nearly all that the new run needs, as they do for a workflow that takes a bet over; the rest is handed on.
The rows are owned by the workflow's first run, and stay so.
"""

from collections.abc import Sequence
from typing import Protocol

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.support.status import StatusReporter

with workflow.unsafe.imports_passed_through():
    from betcore.domain.errors import Code
    from betcore.domain.messages import CashbackOrder, HandedOn, PayIn, Reverse


class HandsOn(Protocol):
    """A part of a workflow that keeps something which no row has."""

    def hand_on(self, more: HandedOn) -> HandedOn:
        """Return ``more`` with its own part added."""


class NextRun:
    """When a new run begins, and what it is given: what each of ``parts`` hands on."""

    def __init__(
        self, start: PayIn | Reverse | CashbackOrder, status: StatusReporter, parts: Sequence[HandsOn]
    ) -> None:
        self._start = start
        self._status = status
        self._parts = parts
        # From here on waiting calls are answered "unknown", and no call is taken that the rows would not keep.
        self.is_near = False

    @property
    def is_due(self) -> bool:
        """Return whether the server suggests it. A bet of an earlier release goes on as it began."""
        return workflow.info().is_continue_as_new_suggested() and workflow.patched("history-goes-on-in-a-new-run")

    async def start_if_due(self) -> None:
        """Start the new run if it is due. Only for a moment at which no activity of this one is under way."""
        if not self.is_due:
            return
        self.is_near = True
        await workflow.wait_condition(lambda: self._status.all_written and workflow.all_handlers_finished())
        self._status.say("its history is nearly full: it goes on in a new run")
        handed_on = HandedOn()
        for part in self._parts:
            handed_on = part.hand_on(handed_on)
        changed: dict[str, object] = {"handed_on": handed_on}
        if isinstance(self._start, Reverse):
            # The claw-back's window of now may end later than the first one; a stake's last moment never moves.
            changed["answer_by"] = workflow.now()
        workflow.continue_as_new(self._start.model_copy(update=changed))

    def check(self) -> None:
        """Raise ApplicationError(outcome_unknown) if a call has to be repeated to the next run."""
        if self.is_near:
            raise ApplicationError("it goes on in a new run: call again", type=Code.OUTCOME_UNKNOWN)
