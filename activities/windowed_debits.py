"""Debits with windows: the claw-back of a win and the cancel of a cashback, and the rows that count and keep them.

Like the debit of a stake they have a last moment, and a refusal ends them only if no other send can exist. Unlike a
stake they may be sent in another window, once everything that was sent before is certainly not at the casino.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from activities.admission import AdmissionControl, Lane
from activities.pending_movement import ClaimedMovement, Outcome, ParkingRows, SendPolicy, unless_overtaken
from betcore.casino.movement import Movement
from betcore.db.bets import Bets
from betcore.domain.activity_inputs import Incident, Progress, Step
from betcore.domain.bet import BetRecord, ReversalState
from betcore.domain.cashback import CashbackState
from betcore.domain.claims import ClaimedDebit, Confirmation
from betcore.domain.partners import Casino
from betcore.domain.records import Record
from betcore.runtime import failpoints

# How the debit stands, by the state of its movement, if there is no send to make.
_ENDED = {"done": Progress.DONE, "refused": Progress.REFUSED, "absent": Progress.ABSENT}


class DebitRows(ParkingRows, Protocol):
    """The rows of the reversal or the cashback that a debit is of. Each write names the owner."""

    async def begin_debit(self, bet_id: int, owner: str, not_after: datetime) -> ClaimedDebit[Record]:
        """Count a send. Nothing is counted if the debit has ended, is parked, or another workflow owns the rows."""
        ...

    async def debit_done(self, bet_id: int, owner: str, confirmation: Confirmation) -> Record:
        """Record that the casino has taken the money."""
        ...

    async def refuse_only_send(
        self, bet_id: int, owner: str, error_code: str | None, not_after: datetime | None
    ) -> Record:
        """End the debit as refused if the send that the casino has refused is the only one that can exist.

        ``not_after`` is the end of its window: one in a later window may exist.
        """
        ...

    async def end_parked(self, bet_id: int, owner: str, error_code: str | None) -> Record:
        """End a parked debit that two operators have marked as not taken, unless another Accept is in its row."""
        ...

    async def absent(
        self, bet_id: int, owner: str, not_after: datetime | None, *, sends: int | None = None, is_over: bool = True
    ) -> tuple[Record, bool]:
        """Record that no send so far is at the casino, or ever will be; return whether that was recorded.

        It is not recorded if a window has begun that ends later than ``not_after``; with ``sends`` only if that is the
        number of sends in the window. ``is_over``: the window is.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowedDebit:
    """What is to be taken back, and by whom; ``name`` is the first part of its failpoints.

    The last moment of the ``movement`` is that of the present window.
    """

    name: str
    casino_id: int
    owner: str
    policy: SendPolicy
    movement: Movement
    not_after: datetime


class PendingDebit:
    """Money that is to be taken back within a window."""

    def __init__(self, bets: Bets, rows: DebitRows, debit: WindowedDebit) -> None:
        self._bets = bets
        self._rows = rows
        self._bet_id, self._owner, self._not_after = debit.movement.bet_id, debit.owner, debit.not_after
        self.name = debit.name
        self.casino_id = debit.casino_id
        self.policy = debit.policy
        self.movement = debit.movement

    @property
    def patience(self) -> timedelta:
        """Return how long the fast lane waits for an Accept."""
        return self.policy.attempt_timeout

    async def admit(self, admission: AdmissionControl, casino: Casino, lane: Lane, held: ExitStack) -> bool:
        """Take a slot. Such a debit passes neither circuit breaker nor rate limit. Raises NotAdmitted."""
        held.enter_context(admission.slot(casino, lane))
        return True

    async def claim(self, casino: Casino, *, admitted: bool) -> ClaimedMovement | Step:
        """Count a send of the debit; return a Step if it has ended, is parked, or is not this workflow's."""
        claim = await self._rows.begin_debit(self._bet_id, self._owner, self._not_after)
        if claim.attempts is None:
            return self._step(claim.record, _ENDED.get(claim.movement or "", Progress.PARKED))
        await failpoints.reach(f"{self.name}_counted")
        # The last moment is the row's, and not the argument's: an earlier window may still be open.
        return ClaimedMovement.of(self.movement, claim, claim.not_after)

    async def record(self, claimed: ClaimedMovement, outcome: Outcome) -> Step:
        """Record that the casino has taken the money, has refused to, or has another movement in its place."""
        parked = True
        match outcome.progress:
            case Progress.REFUSED if outcome.was_not_sent:
                is_over = datetime.now(UTC) >= self._not_after
                return await self._record_not_sent(claimed, f"not sent: {outcome.detail}", is_over=is_over)
            case Progress.DONE:
                record = await self._rows.debit_done(self._bet_id, self._owner, outcome.confirmation)
                progress = Progress.DONE
                if has_ended_without(record):
                    await self._file_debited_after_the_end(record, claimed.movement)
            case Progress.REFUSED:
                error_code = outcome.answer.error_code
                not_after = claimed.movement.not_after
                record = await self._rows.refuse_only_send(self._bet_id, self._owner, error_code, not_after)
                progress = Progress.REFUSED if has_ended_without(record) else Progress.UNKNOWN
            case _:
                record, parked = await self._park(outcome, claimed.sends)
                progress = Progress.PARKED
        await failpoints.reach(f"{self.name}_recorded")
        return unless_overtaken(self._step(record, progress, outcome.detail), parked=parked)

    async def record_expired(self, claimed: ClaimedMovement) -> Step:
        """Record that the send did not leave, because its window is over."""
        return await self._record_not_sent(claimed, "its last moment has passed", is_over=True)

    async def record_found(self, outcome: Outcome) -> Step:
        """Record what the casino has of a debit whose window is over."""
        if outcome.progress is not Progress.DONE:
            record, parked = await self._park(outcome)
            return unless_overtaken(self._step(record, Progress.PARKED, outcome.detail), parked=parked)
        record = await self._rows.debit_done(self._bet_id, self._owner, outcome.confirmation)
        return self._step(record, Progress.DONE, outcome.detail)

    async def record_absent(self, detail: str) -> Step:
        """Record that no send of the debit is at the casino, or ever will be."""
        record, absent = await self._rows.absent(self._bet_id, self._owner, self._not_after)
        return self._step(record, Progress.ABSENT if absent else Progress.UNKNOWN, detail)

    async def _record_not_sent(self, claimed: ClaimedMovement, detail: str, *, is_over: bool) -> Step:
        """Record a send that did not leave: if it is the window's only one, nothing of it can be at the casino.

        Until the window ``is_over`` the debit goes on in it, at the pace of its lane: else a casino that is down
        would get window after window without a gap.
        """
        not_after = claimed.movement.not_after
        record, absent = await self._rows.absent(self._bet_id, self._owner, not_after, sends=1, is_over=is_over)
        return self._step(record, Progress.ABSENT if absent and is_over else Progress.UNKNOWN, detail)

    async def _park(self, outcome: Outcome, sends: int | None = None) -> tuple[Record, bool]:
        transaction_type, error_code = self.movement.transaction_type, outcome.answer.error_code
        return await self._rows.park(
            self._bet_id, self._owner, transaction_type, error_code, outcome.theirs, sends=sends
        )

    async def _file_debited_after_the_end(self, record: Record, movement: Movement) -> None:
        """File an incident: the casino has made a debit whose reversal or cancel has ended without it."""
        sides = {"ours": record.facts(), "theirs": movement.facts()}
        await self._bets.file_incident(Incident(bet_id=record.number, kind="debited_after_the_end", **sides))

    def _step(self, record: Record, progress: Progress, detail: str = "") -> Step:
        own = record.carrier == self._owner
        return Step(progress=progress if own else Progress.FOREIGN, detail=detail, record=record)


def has_ended_without(record: Record) -> bool:
    """Return whether the debit's rows have ended without it."""
    if isinstance(record, BetRecord):
        return record.reversal is not None and record.reversal.state is ReversalState.REFUSED
    return record.state is CashbackState.ISSUED
