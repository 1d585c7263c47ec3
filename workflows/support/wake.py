"""What interrupts a wait of a workflow that moves money."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from betcore.domain.ids import TransactionType
    from betcore.domain.messages import Accept


class Nudge:
    """Something is to be looked at now: an Accept has come, or an operator wants it tried again.

    ``wakes`` says that it may also wake a movement that is parked: a refusing Accept does not.
    """

    def __init__(self) -> None:
        self.given = self.wakes = False
        # The movement that is on its way: an Accept of an earlier one, which comes late, wakes nothing.
        self.kind: TransactionType | None = None

    def start(self, kind: TransactionType) -> None:
        """Begin with a movement."""
        self.kind = kind
        self.clear()

    def give(self, accept: Accept | None = None) -> None:
        """Have the movement that is on its way looked at now; without an ``accept`` on an operator's word."""
        self.given = True
        # An older API does not say what an Accept means.
        confirms = accept is None or accept.success is None
        if accept is not None and accept.success:
            confirms = accept.transaction_type == self.kind
        self.wakes = self.wakes or confirms

    def clear(self) -> None:
        """Forget it: what it asks for is being done."""
        self.given = self.wakes = False

    async def within(self, time: timedelta, summary: str) -> bool:
        """Wait so long, and return whether it came; it is cleared then."""
        try:
            await workflow.wait_condition(lambda: self.given, timeout=max(time, timedelta()), timeout_summary=summary)
        except TimeoutError:
            return False
        self.clear()
        return True
