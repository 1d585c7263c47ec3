"""What people see of a workflow that moves money, and what is written down for them."""

from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from workflows.support.activity_calls import Lanes

with workflow.unsafe.imports_passed_through():
    from activities.bet_records import BetRecords
    from betcore.domain.activity_inputs import Incident, Operation, Step
    from betcore.domain.messages import BetRecord
    from betcore.temporal.visibility import BET_STATUS, NEEDS_ATTENTION, Timeline


class Board:
    """Status, story, incidents and operators' actions of one workflow; ``record`` are its rows as last read."""

    def __init__(self, head: str, lanes: Lanes) -> None:
        self.record: BetRecord | None = None
        self.needs_attention = False
        self.status: str | None = None
        self._lanes = lanes
        self._timeline = Timeline(head)
        self._papers: list[tuple[Any, Any, str]] = []

    def resume(self, needs_attention: bool, lines: Sequence[str]) -> None:
        """Go on with what an earlier run of the same workflow has shown."""
        self.needs_attention = needs_attention
        self._timeline.resume(lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """The story so far."""
        return self._timeline.lines

    @property
    def bet(self) -> BetRecord:
        """The rows as they were last read; there are some."""
        if self.record is None:
            raise RuntimeError("no row was read yet")
        return self.record

    def took(self, what: str, step: Step) -> Step:
        """Take what an activity reports."""
        if step.record is not None:
            self.record = step.record
        self.say(f"{what}: {step.progress}{f' ({step.detail})' if step.detail else ''}")
        return step

    def attention(self, status: str) -> None:
        """Show that the straight way was left, and when."""
        self.show(status, attention=True)
        self._timeline.needs(status, workflow.now())
        self.say(f"needs attention: {status}")

    def show(self, status: str, *, attention: bool = False) -> None:
        """Show a status in the list of workflows."""
        self.status = status
        self._timeline.goes_on()
        self._tell()
        shown: list[SearchAttributeUpdate[Any]] = [BET_STATUS.value_set(status)]
        if attention != self.needs_attention:
            self.needs_attention = attention
            shown.append(NEEDS_ATTENTION.value_set(attention))
        workflow.upsert_search_attributes(shown)

    def say(self, what: str) -> None:
        """One more line of the story."""
        self._timeline.add(workflow.now(), what)
        self._tell()

    def _tell(self) -> None:
        workflow.set_current_details(self._timeline.text(self.record))

    def contradiction(self, kind: str, ours: dict[str, str], theirs: dict[str, str]) -> None:
        """File an incident; the clerk writes it down."""
        bet_id = self.record.bet_id if self.record else None
        incident = Incident(bet_id=bet_id, kind=kind, ours=ours, theirs=theirs)
        self._papers.append((BetRecords.file_incident, incident, "file an incident"))

    def operated(self, operation: Operation) -> None:
        """Tell what an operator has asked for; the clerk writes it down."""
        self.say(f"{operation.operator} asks for {operation.action} ({operation.reason}): {operation.detail}")
        self._papers.append((BetRecords.note_operation, operation, "write down an operator's action"))

    @property
    def all_written(self) -> bool:
        """Whether the clerk has nothing left to do."""
        return not self._papers

    async def clerk(self) -> None:
        """Writes down what comes, whatever the story is waiting for."""
        while True:
            await workflow.wait_condition(lambda: bool(self._papers))
            await self._lanes.slow(*self._papers[0])
            self._papers.pop(0)
