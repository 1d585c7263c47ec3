"""How a workflow whose history is nearly full goes on: as a new run of the same life.

The rows know nearly all of it, as they do for a workflow that takes a bet over; what they do not know is handed on. The
owner of the rows is the first run of the workflow, and stays.
"""

from collections.abc import Callable

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.support.status import Board

with workflow.unsafe.imports_passed_through():
    from betcore.domain.errors import Code
    from betcore.domain.messages import HandedOn, PayIn, Reverse


class Renewal:
    """When a new run begins, and with what. ``hand_on`` says what it needs to know."""

    def __init__(self, start: PayIn | Reverse, board: Board, hand_on: Callable[[], HandedOn]) -> None:
        self._start = start
        self._board = board
        self._hand_on = hand_on
        # From here on calls that wait are answered "unknown", and none is taken that the rows would not keep.
        self.is_near = False

    @property
    def is_due(self) -> bool:
        """Return whether the server suggests it. A bet of an earlier release goes on as it began."""
        return workflow.info().is_continue_as_new_suggested() and workflow.patched("history-goes-on-in-a-new-run")

    async def if_due(self) -> None:
        """Begin a new run if it is due. Only for a moment at which nothing of this one is under way."""
        if not self.is_due:
            return
        self.is_near = True
        await workflow.wait_condition(lambda: self._board.all_written and workflow.all_handlers_finished())
        self._board.say("its history is nearly full: it goes on in a new run")
        handed: dict[str, object] = {"handed_on": self._hand_on()}
        if isinstance(self._start, Reverse):
            # The claw-back's window of now may end later than the first one; a stake's last moment never moves.
            handed["answer_by"] = workflow.now()
        workflow.continue_as_new(self._start.model_copy(update=handed))

    def check(self) -> None:
        """Raise ApplicationError(outcome_unknown) if a call has to be repeated to the next run."""
        if self.is_near:
            raise ApplicationError("it goes on in a new run: call again", type=Code.OUTCOME_UNKNOWN)
