"""Sends Accepts in the background until the aggregator's answer ends it, and injects their faults.

The reference asks a casino to send Accept again after a network error or an answer that is an error. A restart of the
process loses the Accepts on their way: the aggregator repeats its make, and that brings a new Accept from the record.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus

from devkit.sandbox.casino.accepts import Sending, State
from devkit.sandbox.casino.aggregator import Aggregator, NotDelivered, Reply
from devkit.sandbox.casino.call_log import Call
from devkit.sandbox.casino.casinos import Casino
from devkit.sandbox.casino.faults import Fault, FaultKind
from devkit.sandbox.casino.wire import Accept, Code

_REWRITING = {FaultKind.REWRITE, FaultKind.OTHER_TYPES, FaultKind.DIRTY_TEXTS}
_log = logging.getLogger(__name__)

MOST_TRIES = 50
_FIRST_GAP = timedelta(milliseconds=200)
_LONGEST_GAP = timedelta(seconds=10)
# After these a repeat would be answered the same again: malformed, contradicts, unknown.
_SETTLED = {Code.WRONG_AMOUNT, Code.DUPLICATE, Code.BET_NOT_FOUND}


def gap_after(tries: int) -> timedelta | None:
    """Return the wait after this many tries, 1 or more; None: there were enough."""
    if tries >= MOST_TRIES:
        return None
    doublings = min(tries - 1, 10)
    return min(_FIRST_GAP * (1 << doublings), _LONGEST_GAP)


class Outbox:
    """The Accepts of all casinos; they are sent while it is ``working``.

    ``pace`` gives the wait after a number of failed tries; None ends the sending.
    """

    def __init__(self, aggregator: Aggregator, pace: Callable[[int], timedelta | None] = gap_after) -> None:
        self._aggregator = aggregator
        self._pace = pace
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Send the Accepts that ``send`` hands over; what is still on its way at the end is dropped."""
        async with self._aggregator.session():
            yield
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send(self, casino: Casino, accept: Accept, answered: asyncio.Event) -> None:
        """Have an Accept sent, with the fault that meets it: when make is ``answered``, unless the fault sets the time.

        Returns before that, except for the fault ``early``: then it returns when the Accept has been answered.
        """
        fault = casino.plan.pick(_as_call(accept))
        sendings = [Sending(one, _body(one, fault), fault.kind if fault else None) for one in _messages(accept, fault)]
        casino.accepts.extend(sendings)
        if fault is not None and fault.kind is FaultKind.DROP:
            sendings[0].end(State.DROPPED)
            return
        task = asyncio.create_task(self._send(casino, sendings, fault, answered))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        if fault is not None and fault.kind is FaultKind.EARLY:
            await asyncio.wait([task])

    async def _send(
        self, casino: Casino, sendings: Sequence[Sending], fault: Fault | None, answered: asyncio.Event
    ) -> None:
        await _until_its_time(casino, fault, answered)
        for sending in sendings:
            await self._deliver(casino, sending)

    async def _deliver(self, casino: Casino, sending: Sending) -> None:
        while not await self._try(casino, sending):
            gap = self._pace(sending.tries)
            if gap is None:
                _log.warning("Accept of bet %s given up: %s", sending.accept.bet_id, sending.failure or sending.status)
                return sending.end(State.GIVEN_UP)
            await asyncio.sleep(gap.total_seconds())
        return sending.end(State.ANSWERED)

    async def _try(self, casino: Casino, sending: Sending) -> bool:
        sending.begin_try()
        try:
            reply = await self._aggregator.accept(casino, sending.accept.path, sending.body)
        except NotDelivered as failure:
            sending.failure = str(failure)
            return False
        sending.status, sending.answer_code = reply.status, reply.code
        return _ends(reply)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            _log.error("an Accept failed", exc_info=failure)


def _ends(reply: Reply) -> bool:
    return reply.code in _SETTLED or (reply.status == HTTPStatus.OK and reply.code == Code.SUCCESS)


def _as_call(accept: Accept) -> Call:
    return Call(accept.path, accept.bet_id, accept.transaction_type, accept.amount, accept.partner_user_id)


def _messages(accept: Accept, fault: Fault | None) -> list[Accept]:
    """Return the messages that replace an Accept, in order."""
    match fault:
        case Fault(kind=FaultKind.REPEAT):
            return [accept, accept]
        case Fault(kind=FaultKind.CONTRADICT):
            taken = accept.error_code == Code.SUCCESS
            return [accept, accept.saying(fault.error_code if taken else Code.SUCCESS)]
        case Fault(kind=FaultKind.ERROR_CODE):
            return [accept.saying(fault.error_code)]
    return [accept]


def _body(accept: Accept, fault: Fault | None) -> dict[str, object]:
    body = accept.body()
    return fault.rewritten(body) if fault is not None and fault.kind in _REWRITING else body


async def _until_its_time(casino: Casino, fault: Fault | None, answered: asyncio.Event) -> None:
    match fault:
        case Fault(kind=FaultKind.EARLY):
            return
        case Fault(kind=FaultKind.HOLD):
            await casino.gate.wait()
        case Fault(kind=FaultKind.DELAY):
            await answered.wait()
            await asyncio.sleep(fault.delay)
        case _:
            await answered.wait()
