"""Sending movements to casinos, alone or several in one call, and reporting each call to the casino's circuit breaker.

Credits that wait at the same moment, for a casino whose profile takes lists of them, leave in one call
(payments/make-list); so do the stake and the win of a PayInOut, for a casino that keeps the order of a list. A list has
no state of its own: each movement was counted in its row before, and gets what the answer says of it, or that nothing
is known.
"""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import timedelta

from activities.admission import FAST, SLOW, AdmissionControl, Lane
from activities.confirmations import is_only_taken
from activities.pending_movement import ClaimedMovement
from betcore.casino.client import CasinoClient
from betcore.casino.movement import MadeOneStep, MakeAnswer, Movement, answer_to_one_step
from betcore.casino.response_reading import CasinoAnswer
from betcore.domain.partners import Casino

MOST_ITEMS, MOST_BYTES = 100, 256 * 1024
# Seconds for which a credit waits for others. In the fast lane a provider waits too.
_GATHERED_FOR = {FAST: 0.01, SLOW: 0.25}
# Brackets around the items, and a comma with its blank behind each.
_BRACKETS, _COMMA = 2, 2


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A movement that waits for its list to be answered."""

    movement: Movement
    within: timedelta
    made: asyncio.Future[MakeAnswer]


@dataclass(slots=True)
class _Gathering:
    """Movements that will leave in one call, by TransactionId."""

    casino: Casino
    waiting: dict[str, _Waiting] = field(default_factory=dict)
    size: int = _BRACKETS
    timer: asyncio.TimerHandle | None = None


class Payments:
    """Sends the movements of one process."""

    def __init__(self, casinos: CasinoClient, admission: AdmissionControl) -> None:
        self._casinos = casinos
        self._admission = admission
        self._gathering: dict[int, _Gathering] = {}
        self._sending: set[asyncio.Task[None]] = set()

    async def make(self, casino: Casino, claimed: ClaimedMovement, lane: Lane, within: timedelta) -> MakeAnswer:
        """Send a movement whose send was counted, and return its answer. Raises LastMomentPassed if it did not leave.

        The time for which it waits for others is not part of ``within``.
        """
        movement = claimed.movement
        gathering = self._gathering.get(casino.casino_id)
        # Two attempts of one movement would be answered by two items that cannot be told apart.
        is_waiting = gathering is not None and movement.transaction_id in gathering.waiting
        if is_waiting or not may_be_listed(casino, claimed):
            return await self._make_alone(casino, movement, within)
        waiting = _Waiting(movement, within, asyncio.get_running_loop().create_future())
        self._gather(casino, waiting, _GATHERED_FOR[lane])
        return await waiting.made

    async def make_one_step(self, casino: Casino, stake: Movement, win: Movement, within: timedelta) -> MadeOneStep:
        """Send a stake and its win, in this order, in one call, and return what the answer says of each.

        Raises LastMomentPassed, and has sent nothing, if that of the stake has passed.
        """
        made = answer_to_one_step(await self._casinos.make_list(casino, [stake, win], within))
        await self._report(casino, made.stake.answer)
        return made

    def _gather(self, casino: Casino, waiting: _Waiting, seconds: float) -> None:
        """Put a movement into its casino's list, which leaves when it is full, or at the latest after ``seconds``."""
        size = len(json.dumps(waiting.movement.message())) + _COMMA
        gathering = self._gathering.get(casino.casino_id)
        if gathering is not None and gathering.size + size > MOST_BYTES:
            self._leave(gathering)
            gathering = None
        if gathering is None:
            gathering = self._gathering[casino.casino_id] = _Gathering(casino)
        gathering.waiting[waiting.movement.transaction_id] = waiting
        gathering.size += size
        if len(gathering.waiting) == MOST_ITEMS:
            self._leave(gathering)
            return
        loop = asyncio.get_running_loop()
        if gathering.timer is None or loop.time() + seconds < gathering.timer.when():
            if gathering.timer is not None:
                gathering.timer.cancel()
            gathering.timer = loop.call_later(seconds, self._leave, gathering)

    def _leave(self, gathering: _Gathering) -> None:
        del self._gathering[gathering.casino.casino_id]
        if gathering.timer is not None:
            gathering.timer.cancel()
        # Of its own: an attempt that is cancelled must not take the others' answers with it.
        task = asyncio.create_task(self._send(gathering))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, gathering: _Gathering) -> None:
        """Send what still waits, and hand each its answer, or the reason for which nothing was sent."""
        waiting = [one for one in gathering.waiting.values() if not one.made.done()]
        if not waiting:
            return
        try:
            made = await self._make_together(gathering.casino, waiting)
        except Exception as error:  # whatever it is, it is each attempt's own: none may wait without end
            for one in waiting:
                if not one.made.done():
                    one.made.set_exception(error)
            return
        for one, answer in zip(waiting, made, strict=True):
            if not one.made.done():
                one.made.set_result(answer)

    async def _make_together(self, casino: Casino, waiting: list[_Waiting]) -> list[MakeAnswer]:
        within = max(one.within for one in waiting)
        if len(waiting) == 1:
            return [await self._make_alone(casino, waiting[0].movement, within)]
        made = await self._casinos.make_list(casino, [one.movement for one in waiting], within)
        # Once, and not for each item: one answer that is lost must not open the breaker.
        await self._report(casino, made.answer)
        return list(made.made)

    async def _make_alone(self, casino: Casino, movement: Movement, within: timedelta) -> MakeAnswer:
        made = await self._casinos.make(casino, movement, within)
        await self._report(casino, made.answer)
        return made

    async def _report(self, casino: Casino, answer: CasinoAnswer) -> None:
        """Count the answer to a call for the circuit breaker, unless an Accept is to be counted in its place."""
        if not is_only_taken(casino, answer):
            await self._admission.record_result(casino, answer)


def may_be_listed(casino: Casino, claimed: ClaimedMovement) -> bool:
    """Return whether a movement may leave in a list.

    A cashback has no place in a list of payments. An even send goes alone: else one movement that its casino cannot
    read would keep all others of its lists from ever being made. So does one that a person has decided about.
    """
    movement = claimed.movement
    is_owed = not movement.transaction_type.is_debit and not movement.cashback
    takes_lists = casino.profile.send.list is not False
    return takes_lists and is_owed and claimed.sends % 2 == 1 and not claimed.claim.was_parked
