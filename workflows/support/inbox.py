"""The PayOut and the Refund that are filed for a bet. The first one decides it."""

from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.support.status import StatusReporter

with workflow.unsafe.imports_passed_through():
    from betcore.domain import answers
    from betcore.domain.bet import BetRecord, BetState
    from betcore.domain.errors import Code
    from betcore.domain.messages import HandedOn, PayIn, PayOut, Refund
    from betcore.domain.proof import Proof

# With this patch a message that the row has overruled is an incident.
_THE_ROW_DECIDES = "the-row-decides"
_ANOTHER_WIN = "settled_with_another_win"


class Inbox:
    """The calls of one bet, in the order of their arrival: at most one PayOut and one Refund."""

    def __init__(self, pay_in: PayIn, status: StatusReporter) -> None:
        self._pay_in = pay_in
        self._status = status
        self._calls: list[PayOut | Refund] = []
        self.filed_at: datetime | None = None
        if pay_in.handed_on is not None:
            self._resume(pay_in.handed_on)

    def __bool__(self) -> bool:
        """Return whether anything is filed."""
        return bool(self._calls)

    @property
    def first(self) -> PayOut | Refund | None:
        """Return the call that decides the bet, None if none is filed."""
        return self._calls[0] if self._calls else None

    @property
    def proof_of_refund(self) -> Proof | None:
        """Return the proof of the Refund that is filed; None without one, or if an operator has sent it."""
        return next((call.proof for call in self._calls if isinstance(call, Refund)), None)

    def check(self, call: PayOut | Refund) -> None:
        """Raise ApplicationError(different_data) if the call is not of this bet.

        For validators: a rejected update leaves no event, and takes none of the few places for waiting updates.
        """
        if answers.is_of_another_bet(self._pay_in, self._status.known_bet, call):
            raise ApplicationError("the call is not of this bet", type=Code.DIFFERENT_DATA)

    def file(self, call: PayOut | Refund) -> None:
        """File the call, or file an incident if it contradicts the bet or an earlier call."""
        if answers.is_of_another_bet(self._pay_in, self._status.known_bet, call):
            self._status.file_incident(Code.DIFFERENT_DATA, self._pay_in.facts(), call.facts())
        elif self._calls and answers.conflicts(self._calls[0], call):
            self._status.file_incident(Code.DIFFERENT_DATA, self._calls[0].facts(), call.facts())
        elif isinstance(call, PayOut) and self._status.known_bet and answers.is_refused(self._status.known_bet, call):
            self._status.say(f"{call} not followed: operators have refused it")
        elif not any(filed.event_type == call.event_type for filed in self._calls):
            self.filed_at = self.filed_at or workflow.now()
            self._calls.append(call)
            self._status.say(f"{call} filed")

    def restore(self, call: PayOut) -> None:
        """File a call that the row has kept when its workflow was lost: it came before all others."""
        if not any(isinstance(filed, PayOut) for filed in self._calls):
            self.filed_at = workflow.now()
            self._calls.insert(0, call)
            self._status.say(f"{call} restored from the row")

    def drop_first(self) -> None:
        """Forget the call that would have decided the bet: operators have refused its win. The next one decides."""
        if self._calls:
            self._calls.pop(0)
            self.filed_at = workflow.now() if self._calls else None

    def asks_to_reverse(self, bet: BetRecord) -> bool:
        """Return whether a filed Refund takes the win of this bet back."""
        return any(isinstance(call, Refund) and answers.wants_reversal(bet, call) for call in self._calls)

    def report_if_overruled(self, asked: PayOut | Refund | None, bet: BetRecord) -> None:
        """Show that the row has overruled a call, and file an incident if a win was asked for that is not paid."""
        paid = bet.win if bet.state in (BetState.SETTLING, BetState.SETTLED) else None
        wanted = asked.win if isinstance(asked, PayOut) else None
        same_jackpot = not isinstance(asked, PayOut) or answers.names_jackpot_of(bet, asked.jackpot)
        if asked is None or (wanted == paid and same_jackpot):
            return
        self._status.say(f"{asked} not followed: the row is {bet.state}{'' if paid is None else f' with {paid}'}")
        kind = Code.ALREADY_REFUNDED if paid is None else _ANOTHER_WIN
        is_owed = isinstance(asked, PayOut) and (paid is not None or asked.win.minor or asked.jackpot is not None)
        if is_owed and workflow.patched(_THE_ROW_DECIDES):
            self._status.file_incident(kind, bet.facts(), asked.facts())

    def hand_on(self, more: HandedOn) -> HandedOn:
        """Add the filed calls to what the next run needs."""
        filed = {call.event_type: call for call in self._calls}
        first = isinstance(self.first, Refund)
        return more.model_copy(update={**filed, "refund_first": first, "filed_at": self.filed_at})

    def _resume(self, handed_on: HandedOn) -> None:
        calls = [call for call in (handed_on.pay_out, handed_on.refund) if call is not None]
        self._calls, self.filed_at = calls[::-1] if handed_on.refund_first else calls, handed_on.filed_at
