"""The circuit breakers of casinos, shared by all processes, and the rate at which each is sent what it owes its
players.

Every statement is a transaction, and the database's clock decides. On the happy path there is none: a process reads a
casino's row at intervals, and writes only if there is something to write.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from betcore.db.database import Database
from betcore.db.statements import circuit_breakers
from betcore.db.statements.circuit_breakers import BreakerState
from betcore.domain.partners import Casino

# Slots of owed money are given out so far ahead; who would wait longer comes back later.
_AHEAD = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Breaker:
    """A casino's breaker for people; ``open_for`` in seconds, None while it is closed."""

    casino: str
    failures: int
    open_since: datetime | None
    open_for: int | None

    @property
    def description(self) -> str:
        """Return in words whether the breaker is closed, failing or open."""
        if self.open_since is not None:
            return f"open since {self.open_since:%Y-%m-%d %H:%M:%S} UTC"
        return f"closed, {self.failures} failed" if self.failures else "closed"


_WELL = BreakerState(0, None, None)


class CircuitBreakers:
    """The health of the casinos of one database, as one process sees and reports it; what it reads is trusted for
    ``cache_seconds``."""

    def __init__(self, database: Database, cache_seconds: float) -> None:
        self._database = database
        self._cache_seconds = cache_seconds
        self._known: dict[int, tuple[float, BreakerState]] = {}

    async def failed(self, casino: Casino, *, at_once: bool = False) -> bool:
        """Record that a send had no definite answer; return whether that has opened the breaker.

        ``at_once`` opens it without waiting for more failures.
        """
        breaker = casino.profile.breaker
        [row] = await self._database.all_rows(
            circuit_breakers.FAILED,
            casino_id=casino.casino_id,
            at_once=at_once,
            limit=breaker.failures,
            window=timedelta(seconds=breaker.window),
            probe_every=timedelta(seconds=breaker.probe_every),
        )
        self._know(casino, row.state)
        return bool(row.opened)

    async def answered(self, casino: Casino) -> None:
        """Record that a send had a definite answer: the failures count no more, and the breaker closes."""
        known = self._known.get(casino.casino_id, (0, _WELL))[1]
        if known != _WELL:
            await self._database.execute(circuit_breakers.ANSWERED, casino_id=casino.casino_id)
            self._know(casino, _WELL)

    async def until_probe(self, casino: Casino) -> timedelta | None:
        """Return how long until the next probe may be sent.

        None if the breaker is closed, or if it is open and the caller is the probe.
        """
        state = await self._state(casino)
        if state.open_since is None:
            return None
        if (left := self._left(casino, state)) > timedelta():
            return left
        every = timedelta(seconds=casino.profile.breaker.probe_every)
        given = {"casino_id": casino.casino_id, "probe_every": every}
        if await self._database.one_row(circuit_breakers.PROBE, **given) is not None:
            return None
        state = await self._read(casino)
        return None if state.open_since is None else self._left(casino, state)

    async def unprobed(self) -> Sequence[tuple[int, int]]:
        """Return the casinos with an open breaker whose probe is due, each with its newest bet, or 0 without one."""
        return [(row.casino_id, row.bet_id) for row in await self._database.all_rows(circuit_breakers.UNPROBED)]

    async def is_probe(self, casino: Casino) -> bool:
        """Become the probe of a casino that no movement has been the probe of; one process at a time does."""
        every = timedelta(seconds=casino.profile.breaker.probe_every)
        given = {"casino_id": casino.casino_id, "probe_every": every}
        return await self._database.one_row(circuit_breakers.PROBE_UNASKED, **given) is not None

    async def is_back(self, casino: Casino) -> bool:
        """Close the breaker of a casino that has answered a question; the next movement that fails opens it again."""
        row = await self._database.one_row(
            circuit_breakers.BACK, casino_id=casino.casino_id, limit=casino.profile.breaker.failures
        )
        if row is not None:
            self._know(casino, BreakerState(row.failures, None, None))
        return row is not None

    async def is_open(self, casino: Casino) -> bool:
        """Return whether the casino's breaker is open."""
        return (await self._state(casino)).open_since is not None

    async def owed_turn(self, casino: Casino) -> timedelta | None:
        """Return how long to wait for the turn of a credit; None if the turns of the next second are given out."""
        gap = timedelta(seconds=1) / casino.profile.owed_per_second
        row = await self._database.one_row(circuit_breakers.SLOT, casino_id=casino.casino_id, gap=gap, ahead=_AHEAD)
        return None if row is None else max(row.wait, timedelta())

    async def shown(self) -> Sequence[Breaker]:
        """Return the breakers of all casinos, by name."""
        return [
            Breaker(row.name, row.failures, row.open_since, None if row.open_for is None else int(row.open_for))
            for row in await self._database.all_rows(circuit_breakers.SHOWN)
        ]

    async def _state(self, casino: Casino) -> BreakerState:
        read_at, state = self._known.get(casino.casino_id, (-math.inf, _WELL))
        if time.monotonic() < read_at + self._cache_seconds:
            return state
        # Else all callers at that moment read the row: they go by the known state meanwhile.
        self._know(casino, state)
        return await self._read(casino)

    async def _read(self, casino: Casino) -> BreakerState:
        state = await self._database.one_row(circuit_breakers.READ, casino_id=casino.casino_id) or _WELL
        self._know(casino, state)
        return state

    def _know(self, casino: Casino, state: BreakerState) -> None:
        self._known[casino.casino_id] = (time.monotonic(), state)

    def _left(self, casino: Casino, state: BreakerState) -> timedelta:
        """Return how long until the next probe, counted from the moment at which the state was read."""
        passed = timedelta(seconds=time.monotonic() - self._known[casino.casino_id][0])
        return max((state.until_probe or timedelta()) - passed, timedelta())
