"""A movement that waits for operators, and for no clock: parked, unless the casino confirms it, or a win in review."""

from temporalio import workflow

from workflows.support.four_eyes import Concern

with workflow.unsafe.imports_passed_through():
    from betcore.domain.messages import Action

# What operators decide of a win in review.
VERDICTS = (Action.RELEASE, Action.REFUSE)
# What only a movement that waits for operators can be marked as.
MARKS = (Action.MARK_PAID, Action.MARK_TAKEN, Action.MARK_NOT_TAKEN, *VERDICTS)


class Parked:
    """What is parked of one workflow, and what operators have decided of it."""

    def __init__(self) -> None:
        self.credit: Concern | None = None
        self.debit: Concern | None = None
        # A win that was not begun: two operators have to release or refuse it first.
        self.review: Concern | None = None
        # What operators have decided, until it is carried out: mark-paid, mark-taken, mark-not-taken, void, release or
        # refuse.
        self.mark: Action | None = None

    def clear(self) -> None:
        """End it: nothing is parked any more."""
        self.credit = self.debit = self.review = self.mark = None

    def why_not(self, action: Action) -> str | None:
        """Return why an action cannot be taken on what is parked; None if it can."""
        if self.mark is Action.MARK_PAID:
            return "what was marked as paid is being looked for at the casino"
        if self.mark is not None:
            return f"{self.mark} is being carried out"
        if action in VERDICTS:
            return None if self.review else "no win is in review"
        if action is Action.MARK_PAID:
            return None if self.credit else "no payment to the player is parked"
        return None if self.debit else "no debit is parked"

    def concern(self, action: Action) -> Concern | None:
        """Return what a mark is about; None for what is no mark, or if nothing is parked."""
        if action is Action.MARK_PAID:
            return self.credit
        if action in VERDICTS:
            return self.review
        return self.debit if action in (Action.MARK_TAKEN, Action.MARK_NOT_TAKEN) else None

    def void(self) -> bool:
        """Have a parked stake looked for. False if none is parked; and in a bet of an earlier release: it sends it."""
        if self.debit is None or not workflow.patched("void-looks-for-what-is-parked"):
            return False
        self.mark = Action.VOID
        return True
