"""What stands before each send to a casino: its breaker, the pace of what is owed, and its part of this process.

A casino that does not answer, or answers slowly, costs its own players time, and nobody else.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum

import prometheus_client
import structlog
from sqlalchemy.exc import SQLAlchemyError

from betcore.casino.client import CasinoAnswer
from betcore.db.circuit_breakers import CircuitBreakers
from betcore.db.partners import Casino
from betcore.domain.casino_responses import NOT_SENT, UNAUTHORISED

_log = structlog.get_logger()

IN_FLIGHT = prometheus_client.Gauge(
    "betcore_casino_calls_in_flight", "Movements being handed to a casino", ["casino", "lane"]
)
BUSY = prometheus_client.Counter(
    "betcore_casino_busy", "Movements put off because a casino had its part of the process", ["casino", "lane"]
)
OPENED = prometheus_client.Counter("betcore_breaker_opened", "Breakers that this process has opened", ["casino"])

# Of the slots that a process has for each lane; see worker.py.
AT_ONCE = 100
_PUT_OFF = (1.0, 3.0)


class Lane(StrEnum):
    """Where a movement is handed over: while a provider waits, or afterwards."""

    FAST = "fast"
    SLOW = "slow"


FAST, SLOW = Lane.FAST, Lane.SLOW


def is_definite(answer: CasinoAnswer) -> bool:
    """Whether a casino that answers so is there, and knows us."""
    return answer.meaning not in (None, UNAUTHORISED, NOT_SENT)


class NotAdmitted(Exception):
    """Not now; after ``wait`` it is worth another try. Nothing was counted or sent."""

    def __init__(self, why: str, wait: timedelta | None = None) -> None:
        self.wait = wait or timedelta(seconds=random.uniform(*_PUT_OFF))  # noqa: S311  a spread, not a secret
        super().__init__(why)


class AdmissionControl:
    """The gate of one process to all casinos."""

    def __init__(self, health: CircuitBreakers, at_once: int = AT_ONCE) -> None:
        self._health = health
        self._at_once = at_once
        self._taken: Counter[tuple[int, Lane]] = Counter()

    @contextmanager
    def slot(self, casino: Casino, lane: Lane) -> Iterator[None]:
        """One of the casino's places in a lane of this process. Raises NotAdmitted at once where all are taken."""
        key = (casino.casino_id, lane)
        if self._taken[key] >= self._at_once:
            BUSY.labels(casino.name, lane).inc()
            raise NotAdmitted("the casino is slow: all its places are taken")
        self._taken[key] += 1
        IN_FLIGHT.labels(casino.name, lane).inc()
        try:
            yield
        finally:
            self._taken[key] -= 1
            IN_FLIGHT.labels(casino.name, lane).dec()

    async def may_stake(self, casino: Casino) -> bool:
        """Whether a new stake may be sent: not while the breaker is open, but for the probe."""
        return await self._health.until_probe(casino) is None

    async def may_try_credit(self, casino: Casino) -> None:
        """Raises NotAdmitted where the breaker is open: what is owed goes on in the slow lane."""
        if await self._health.is_open(casino):
            raise NotAdmitted("the casino does not answer")

    async def owed_turn(self, casino: Casino) -> None:
        """Wait for the turn of something owed.

        Raises NotAdmitted if that takes long, or if the casino does not answer and another movement is the probe.
        """
        if await self._health.is_open(casino):
            wait = await self._health.until_probe(casino)
            if wait is not None:
                raise NotAdmitted("the casino does not answer", wait)
            return
        turn = await self._health.owed_turn(casino)
        if turn is None:
            raise NotAdmitted("others are owed before")
        await asyncio.sleep(turn.total_seconds())

    async def record_result(self, casino: Casino, answer: CasinoAnswer) -> None:
        """What came of a send. Where the database does not take it the movement goes on: its answer is known."""
        try:
            if is_definite(answer):
                await self._health.answered(casino)
            elif await self._health.failed(casino, at_once=answer.meaning == UNAUTHORISED):
                OPENED.labels(casino.name).inc()
                _log.warning("breaker opened", casino=casino.name, kind=answer.kind)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            _log.warning("a casino's health was not recorded", casino=casino.name, error=type(error).__name__)
