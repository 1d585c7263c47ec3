"""What wakes a workflow that waits with a movement of money."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from betcore.domain.ids import TransactionType
    from betcore.domain.messages import Accept, HandedOn


class WakeUp:
    """A request to look at the movement under way now: an Accept has come, or an operator wants a retry."""

    def __init__(self, handed_on: HandedOn | None) -> None:
        self.requested = False
        # Whether it also wakes a movement that is parked. A refusing Accept does not.
        self.wakes_parked = False
        # The movement under way: a late Accept of an earlier one wakes nothing.
        self._transaction_type: TransactionType | None = None
        # An earlier run of this workflow was woken at its last moment.
        self._handed_on = handed_on is not None and handed_on.wakes

    def begin(self, transaction_type: TransactionType) -> None:
        """Begin with a movement: what came before it wakes nothing."""
        self._transaction_type = transaction_type
        self.clear()

    def request(self, accept: Accept | None = None) -> None:
        """Have the movement under way looked at now; None for an ``accept`` means an operator asks."""
        self.requested = True
        # An older API does not say what an Accept means.
        confirms = accept is None or accept.success is None
        if accept is not None and accept.success:
            confirms = accept.transaction_type == self._transaction_type
        self.wakes_parked = self.wakes_parked or confirms

    def repeat_handed_on(self) -> None:
        """Repeat, once, the request that the earlier run received at its last moment."""
        if self._handed_on:
            self._handed_on = False
            self.request()

    def clear(self) -> None:
        """Drop the request: it is being carried out."""
        self.requested = self.wakes_parked = False

    async def within(self, time: timedelta, summary: str) -> bool:
        """Wait up to ``time`` for a request; return whether one came, and clear it then."""
        try:
            await workflow.wait_condition(
                lambda: self.requested, timeout=max(time, timedelta()), timeout_summary=summary
            )
        except TimeoutError:
            return False
        self.clear()
        return True

    def hand_on(self, more: HandedOn) -> HandedOn:
        """Return what the next run needs, with whether a parked movement was woken."""
        return more.model_copy(update={"wakes": self.wakes_parked})
