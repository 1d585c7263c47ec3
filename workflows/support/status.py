"""What people see of a workflow that moves money, and the audit entries that it writes."""

from collections.abc import Awaitable, Callable

from temporalio import workflow

from workflows.support.activity_calls import ActivityCalls

with workflow.unsafe.imports_passed_through():
    from activities.bet_records import BetRecords
    from betcore.domain.activity_inputs import Incident, Operation, Step
    from betcore.domain.bet import BetRecord
    from betcore.domain.cashback import CashbackRecord
    from betcore.domain.messages import HandedOn
    from betcore.domain.records import Record
    from betcore.temporal.visibility import BET_STATUS, NEEDS_ATTENTION, Timeline


class StatusReporter:
    """Status, timeline and audit entries of one workflow; ``record`` are its rows as last read."""

    def __init__(self, timeline: Timeline, calls: ActivityCalls, handed_on: HandedOn | None) -> None:
        self.record: Record | None = None
        self.needs_attention = False
        self.status: str | None = None
        self._calls = calls
        self._timeline = timeline
        # Audit entries that are not written yet.
        self._entries: list[Callable[[], Awaitable[None]]] = []
        if handed_on is not None:
            self.needs_attention = handed_on.needs_attention
            self._timeline.resume(handed_on.lines)

    @property
    def bet(self) -> BetRecord:
        """Return the rows of the bet as last read. Raises RuntimeError if none was read yet."""
        if not isinstance(self.record, BetRecord):
            raise RuntimeError("no row of a bet was read yet")
        return self.record

    @property
    def known_bet(self) -> BetRecord | None:
        """Return the rows of the bet as last read, None if none was read yet."""
        return self.record if isinstance(self.record, BetRecord) else None

    @property
    def cashback(self) -> CashbackRecord:
        """Return the row of the cashback as last read. Raises RuntimeError if none was read yet."""
        if not isinstance(self.record, CashbackRecord):
            raise RuntimeError("no row of a cashback was read yet")
        return self.record

    @property
    def number(self) -> int:
        """Return the number of the bet or the cashback. Raises RuntimeError if no row was read yet."""
        if self.record is None:
            raise RuntimeError("no row was read yet")
        return self.record.number

    @property
    def state(self) -> str:
        """Return the state of the bet in words, with that of its reversal; or the state of the cashback."""
        return "not opened yet" if self.record is None else self.record.standing

    def apply(self, what: str, step: Step) -> Step:
        """Take over the rows that an activity returned, and add its outcome to the timeline."""
        if step.record is not None:
            self.record = step.record
        self.say(f"{what}: {step.progress}{f' ({step.detail})' if step.detail else ''}")
        return step

    def attention(self, status: str) -> None:
        """Show a status that needs attention, and since when."""
        self.show(status, attention=True)
        self._timeline.needs(status, workflow.now())
        self.say(f"needs attention: {status}")

    def show(self, status: str, *, attention: bool = False) -> None:
        """Show a status in the list of workflows."""
        self.status = status
        self._timeline.goes_on()
        self._publish()
        shown = BET_STATUS.value_set(status)
        if attention == self.needs_attention:
            workflow.upsert_search_attributes([shown])
        else:
            self.needs_attention = attention
            workflow.upsert_search_attributes([shown, NEEDS_ATTENTION.value_set(attention)])

    def say(self, what: str) -> None:
        """Add a line to the timeline."""
        self._timeline.add(workflow.now(), what)
        self._publish()

    def _publish(self) -> None:
        workflow.set_current_details(self._timeline.text(self.record))

    def file_incident(self, kind: str, ours: dict[str, str], theirs: dict[str, str]) -> None:
        """Have a contradiction written down for a person."""
        number = self.record.number if self.record else None
        incident = Incident(bet_id=number, kind=kind, ours=ours, theirs=theirs)
        self._entries.append(lambda: self._calls.slow(BetRecords.file_incident, incident, "file an incident"))

    def note_operation(self, operation: Operation) -> None:
        """Show what an operator has asked for, and have it written down."""
        self.say(f"{operation.operator} asks for {operation.action} ({operation.reason}): {operation.detail}")
        what = "write down an operator's action"
        self._entries.append(lambda: self._calls.slow(BetRecords.note_operation, operation, what))

    @property
    def all_written(self) -> bool:
        """Return whether every audit entry is written."""
        return not self._entries

    async def write_audit_entries(self) -> None:
        """Write audit entries as they come, whatever the workflow waits for meanwhile. Ends when cancelled."""
        while True:
            await workflow.wait_condition(lambda: bool(self._entries))
            await self._entries[0]()
            self._entries.pop(0)

    def hand_on(self, more: HandedOn) -> HandedOn:
        """Return what the next run needs, with what this one has shown."""
        return more.model_copy(update={"needs_attention": self.needs_attention, "lines": self._timeline.lines})
