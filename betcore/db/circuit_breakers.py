"""The health of casinos, shared by all processes: a breaker for each, and the pace of what is owed to its players.

Every statement is a transaction, and the database's clock decides. On the happy path there is none: a process reads a
casino's row now and then, and writes only where there is something to write.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.engine import one_row
from betcore.db.partners import Casino

# Slots of owed money are given out so far ahead; who would wait longer comes back later.
_AHEAD = timedelta(seconds=1)

_READ = "SELECT failures, open_since, probe_at - now() AS until_probe FROM casino_health WHERE casino_id = :casino_id"

# A failure belongs to the run of before while that is no older than the window.
_FAILED = """
INSERT INTO casino_health AS health (casino_id, failures, failing_since, open_since, probe_at)
SELECT CAST(:casino_id AS bigint), 1, now(), CASE WHEN opens THEN now() END,
       CASE WHEN opens THEN now() + CAST(:probe_every AS interval) END
FROM (SELECT CAST(:at_once AS boolean) OR CAST(:limit AS integer) <= 1 AS opens) AS first
ON CONFLICT (casino_id) DO UPDATE SET (failures, failing_since, open_since, probe_at) = (
    SELECT run, CASE WHEN run = 1 THEN now() ELSE health.failing_since END,
           CASE WHEN is_open THEN coalesce(health.open_since, now()) END,
           CASE WHEN is_open THEN now() + CAST(:probe_every AS interval) END
    FROM (
        SELECT CASE WHEN health.failing_since >= now() - CAST(:window AS interval)
                    THEN health.failures + 1 ELSE 1 END AS run
    ) AS counted, LATERAL (
        SELECT health.open_since IS NOT NULL OR CAST(:at_once AS boolean) OR run >= CAST(:limit AS integer) AS is_open
    ) AS judged
)
RETURNING failures, open_since, probe_at - now() AS until_probe, open_since = now() AS opened
"""

_ANSWERED = """
UPDATE casino_health SET failures = 0, failing_since = NULL, open_since = NULL, probe_at = NULL
WHERE casino_id = :casino_id AND (failures > 0 OR open_since IS NOT NULL)
"""

# Of all who ask one is the probe; the others wait for the next one.
_PROBE = """
UPDATE casino_health SET probe_at = now() + CAST(:probe_every AS interval)
WHERE casino_id = :casino_id AND probe_at <= now()
RETURNING casino_id
"""

# Open breakers whose probe is due, each with a bet that the casino can be asked about.
_UNPROBED = """
SELECT casino_id, coalesce((
    SELECT bet_id FROM bet WHERE bet.casino_id = casino_health.casino_id ORDER BY opened_at DESC LIMIT 1
), 0) AS bet_id
FROM casino_health WHERE open_since IS NOT NULL AND probe_at <= now() ORDER BY casino_id
"""
# A movement that asks for the probe goes first, for one more interval: a casino that lists no bets is found to be back
# by movements alone.
_PROBE_UNASKED = """
UPDATE casino_health SET probe_at = now() + CAST(:probe_every AS interval)
WHERE casino_id = :casino_id AND open_since IS NOT NULL AND probe_at <= now() - CAST(:probe_every AS interval)
RETURNING casino_id
"""

# The casino answers again, but no movement was answered yet: the next one that fails opens the breaker, however late.
_BACK = """
UPDATE casino_health SET failures = greatest(CAST(:limit AS integer) - 1, 0), failing_since = 'infinity',
       open_since = NULL, probe_at = NULL
WHERE casino_id = :casino_id AND open_since IS NOT NULL
RETURNING failures
"""

_SLOT = """
INSERT INTO casino_health AS health (casino_id, owed_at) VALUES (:casino_id, now() + CAST(:gap AS interval))
ON CONFLICT (casino_id) DO UPDATE SET owed_at = greatest(health.owed_at, now()) + CAST(:gap AS interval)
WHERE coalesce(health.owed_at, now()) <= now() + CAST(:ahead AS interval)
RETURNING owed_at - CAST(:gap AS interval) - now() AS wait
"""

_SHOWN = """
SELECT casino.name, coalesce(failures, 0) AS failures, open_since, extract(epoch FROM now() - open_since) AS open_for
FROM casino LEFT JOIN casino_health USING (casino_id) ORDER BY name
"""


@dataclass(frozen=True, slots=True)
class State:
    """A casino's row. ``until_probe`` is None while the breaker is closed."""

    failures: int
    open_since: datetime | None
    until_probe: timedelta | None


@dataclass(frozen=True, slots=True)
class Breaker:
    """A casino's breaker for people; ``open_for`` in seconds, None while it is closed."""

    casino: str
    failures: int
    open_since: datetime | None
    open_for: int | None

    @property
    def told(self) -> str:
        """Closed, failing or open, in words."""
        if self.open_since is not None:
            return f"open since {self.open_since:%Y-%m-%d %H:%M:%S} UTC"
        return f"closed, {self.failures} failed" if self.failures else "closed"


_WELL = State(0, None, None)


class CircuitBreakers:
    """The health of the casinos of one database, as one process sees and reports it; what it reads is trusted for
    ``cache_seconds``."""

    def __init__(self, engine: AsyncEngine, cache_seconds: float) -> None:
        self._engine = engine
        self._cache_seconds = cache_seconds
        self._known: dict[int, tuple[float, State]] = {}

    async def failed(self, casino: Casino, *, at_once: bool = False) -> bool:
        """A send had no definite answer; whether that has opened the breaker. ``at_once`` opens it without a run."""
        breaker = casino.profile.breaker
        row = await one_row(
            self._engine,
            _FAILED,
            casino_id=casino.casino_id,
            at_once=at_once,
            limit=breaker.failures,
            window=timedelta(seconds=breaker.window),
            probe_every=timedelta(seconds=breaker.probe_every),
        )
        self._know(casino, State(row.failures, row.open_since, row.until_probe))
        return bool(row.opened)

    async def answered(self, casino: Casino) -> None:
        """A send had a definite answer: the run is over, and so is the breaker."""
        known = self._known.get(casino.casino_id, (0, _WELL))[1]
        if known != _WELL:
            async with self._engine.connect() as connection:
                await connection.execute(text(_ANSWERED), {"casino_id": casino.casino_id})
            self._know(casino, _WELL)

    async def until_probe(self, casino: Casino) -> timedelta | None:
        """None where the breaker is closed, or where it is open and the caller is the probe; else how long until there
        may be another one."""
        state = await self._state(casino)
        if state.open_since is None:
            return None
        if (left := self._left(casino, state)) > timedelta():
            return left
        every = timedelta(seconds=casino.profile.breaker.probe_every)
        given = {"casino_id": casino.casino_id, "probe_every": every}
        if await one_row(self._engine, _PROBE, **given) is not None:
            return None
        state = await self._read(casino)
        return None if state.open_since is None else self._left(casino, state)

    async def unprobed(self) -> Sequence[tuple[int, int]]:
        """Return the casinos with an open breaker whose probe is due, each with its newest bet, or 0 without one."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(text(_UNPROBED))
            return [(row.casino_id, row.bet_id) for row in rows]

    async def is_probe(self, casino: Casino) -> bool:
        """Become the probe of a casino that no movement has been the probe of; one process at a time does."""
        every = timedelta(seconds=casino.profile.breaker.probe_every)
        given = {"casino_id": casino.casino_id, "probe_every": every}
        return await one_row(self._engine, _PROBE_UNASKED, **given) is not None

    async def is_back(self, casino: Casino) -> bool:
        """Close the breaker of a casino that has answered a question; the next movement that fails opens it again."""
        row = await one_row(self._engine, _BACK, casino_id=casino.casino_id, limit=casino.profile.breaker.failures)
        if row is not None:
            self._know(casino, State(row.failures, None, None))
        return row is not None

    async def is_open(self, casino: Casino) -> bool:
        """Whether the casino's breaker is open."""
        return (await self._state(casino)).open_since is not None

    async def owed_turn(self, casino: Casino) -> timedelta | None:
        """How long to wait for the turn of something owed; None where the turns of the next second are given out."""
        gap = timedelta(seconds=1) / casino.profile.owed_per_second
        row = await one_row(self._engine, _SLOT, casino_id=casino.casino_id, gap=gap, ahead=_AHEAD)
        return None if row is None else max(row.wait, timedelta())

    async def shown(self) -> Sequence[Breaker]:
        """The breakers of all casinos, by name."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(text(_SHOWN))
            return [
                Breaker(row.name, row.failures, row.open_since, None if row.open_for is None else int(row.open_for))
                for row in rows
            ]

    async def _state(self, casino: Casino) -> State:
        read_at, state = self._known.get(casino.casino_id, (-math.inf, _WELL))
        if time.monotonic() < read_at + self._cache_seconds:
            return state
        # Whoever asks meanwhile goes by what was known, and does not read it too.
        self._know(casino, state)
        return await self._read(casino)

    async def _read(self, casino: Casino) -> State:
        row = await one_row(self._engine, _READ, casino_id=casino.casino_id)
        state = State(row.failures, row.open_since, row.until_probe) if row else _WELL
        self._know(casino, state)
        return state

    def _know(self, casino: Casino, state: State) -> None:
        self._known[casino.casino_id] = (time.monotonic(), state)

    def _left(self, casino: Casino, state: State) -> timedelta:
        """How long until the next probe, by what was read when."""
        passed = timedelta(seconds=time.monotonic() - self._known[casino.casino_id][0])
        return max((state.until_probe or timedelta()) - passed, timedelta())
