"""Admission control before each send to a casino: circuit breaker, rate limit for credits, the casino's share of slots.

A casino that does not answer, or answers slowly, delays its own players and no others.
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

from betcore.casino.response_reading import CasinoAnswer
from betcore.db.circuit_breakers import CircuitBreakers
from betcore.db.database import DatabaseError
from betcore.domain.casino_responses import NOT_SENT, UNAUTHORISED
from betcore.domain.partners import Casino

_log = structlog.get_logger()

IN_FLIGHT = prometheus_client.Gauge(
    "betcore_casino_calls_in_flight", "Movements that are being sent to a casino", ["casino", "lane"]
)
NO_SLOT = prometheus_client.Counter(
    "betcore_casino_busy", "Movements put off because all slots of their casino were taken", ["casino", "lane"]
)
OPENED = prometheus_client.Counter("betcore_breaker_opened", "Circuit breakers that this process opened", ["casino"])

_PUT_OFF_SECONDS = (1.0, 3.0)


class Lane(StrEnum):
    """When a movement is sent: while a provider waits for the answer, or afterwards."""

    FAST = "fast"
    SLOW = "slow"


FAST, SLOW = Lane.FAST, Lane.SLOW


def is_definite(answer: CasinoAnswer) -> bool:
    """Return whether an answer shows that the casino is there and knows us."""
    return answer.meaning not in (None, UNAUTHORISED, NOT_SENT)


class NotAdmitted(Exception):
    """The movement may not be sent now, and was not; ``wait`` is the time to the next try."""

    def __init__(self, reason: str, wait: timedelta | None = None) -> None:
        self.wait = wait or timedelta(seconds=random.uniform(*_PUT_OFF_SECONDS))  # noqa: S311  a spread, not a secret
        super().__init__(reason)


class AdmissionControl:
    """Admits movements of one process to all casinos. Each casino has ``slots`` in each lane."""

    def __init__(self, breakers: CircuitBreakers, slots: int = 100) -> None:
        self._breakers = breakers
        self._slots = slots
        self._taken: Counter[tuple[int, Lane]] = Counter()

    @contextmanager
    def slot(self, casino: Casino, lane: Lane) -> Iterator[None]:
        """Hold one of the casino's slots in a lane of this process. Raises NotAdmitted at once if all are taken."""
        key = (casino.casino_id, lane)
        if self._taken[key] >= self._slots:
            NO_SLOT.labels(casino.name, lane).inc()
            raise NotAdmitted("the casino is slow: all its places are taken")
        self._taken[key] += 1
        IN_FLIGHT.labels(casino.name, lane).inc()
        try:
            yield
        finally:
            self._taken[key] -= 1
            IN_FLIGHT.labels(casino.name, lane).dec()

    async def may_stake(self, casino: Casino) -> bool:
        """Return whether a new stake may be sent. While the breaker is open, one stake may be: the probe."""
        return await self._breakers.until_probe(casino) is None

    async def check_credit(self, casino: Casino) -> None:
        """Let a credit into the fast lane. Raises NotAdmitted if the breaker is open: the slow lane goes on with it."""
        if await self._breakers.is_open(casino):
            raise NotAdmitted("the casino does not answer")

    async def wait_for_turn(self, casino: Casino) -> None:
        """Wait until the casino's rate limit lets a credit out.

        Raises NotAdmitted if that takes long, or if the breaker is open and another movement is the probe.
        """
        if await self._breakers.is_open(casino):
            wait = await self._breakers.until_probe(casino)
            if wait is not None:
                raise NotAdmitted("the casino does not answer", wait)
            return
        turn = await self._breakers.owed_turn(casino)
        if turn is None:
            raise NotAdmitted("others are owed before")
        await asyncio.sleep(turn.total_seconds())

    async def record_result(self, casino: Casino, answer: CasinoAnswer) -> None:
        """Count an answer for the circuit breaker, and open or close it.

        A database that is away stops no movement whose answer is known: that is logged, and not raised.
        """
        try:
            if is_definite(answer):
                await self._breakers.answered(casino)
            elif await self._breakers.failed(casino, at_once=answer.meaning == UNAUTHORISED):
                OPENED.labels(casino.name).inc()
                _log.warning("breaker opened", casino=casino.name, kind=answer.kind)
        except DatabaseError as error:
            _log.warning("a casino's health was not recorded", casino=casino.name, error=str(error))
