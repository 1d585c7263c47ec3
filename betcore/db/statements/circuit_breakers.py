"""The statements behind ``betcore.db.circuit_breakers``."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class BreakerState:
    """A casino's row. ``until_probe`` is None while the breaker is closed."""

    failures: int
    open_since: datetime | None
    until_probe: timedelta | None


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A casino's row after a failure, and whether that has opened the breaker."""

    state: BreakerState
    opened: bool | None


@dataclass(frozen=True, slots=True)
class CasinoRow:
    """A casino whose row was changed."""

    casino_id: int


@dataclass(frozen=True, slots=True)
class UnprobedRow:
    """A casino whose probe is due, and its newest bet, or 0."""

    casino_id: int
    bet_id: int


@dataclass(frozen=True, slots=True)
class FailuresRow:
    """The failures that a casino's breaker counts."""

    failures: int


@dataclass(frozen=True, slots=True)
class WaitRow:
    """How long until a turn."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class BreakerRow:
    """A casino's breaker; ``open_for`` in seconds."""

    name: str
    failures: int
    open_since: datetime | None
    open_for: Decimal | None


READ = Statement(
    BreakerState,
    "SELECT failures, open_since, probe_at - now() AS until_probe FROM casino_health WHERE casino_id = :casino_id",
)

# A failure adds to the earlier ones if they began within the window; else it is the first of a new run.
FAILED = Statement(
    FailedRow,
    """
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
""",
)

ANSWERED = Statement(
    NoRow,
    """
UPDATE casino_health SET failures = 0, failing_since = NULL, open_since = NULL, probe_at = NULL
WHERE casino_id = :casino_id AND (failures > 0 OR open_since IS NOT NULL)
""",
)

# Of all callers at once one is the probe; the others wait for the next one.
PROBE = Statement(
    CasinoRow,
    """
UPDATE casino_health SET probe_at = now() + CAST(:probe_every AS interval)
WHERE casino_id = :casino_id AND probe_at <= now()
RETURNING casino_id
""",
)

# Open breakers whose probe is due, each with a bet that the casino can be asked about.
UNPROBED = Statement(
    UnprobedRow,
    """
SELECT casino_id, coalesce((
    SELECT bet_id FROM bet WHERE bet.casino_id = casino_health.casino_id ORDER BY opened_at DESC LIMIT 1
), 0) AS bet_id
FROM casino_health WHERE open_since IS NOT NULL AND probe_at <= now() ORDER BY casino_id
""",
)
# A movement that asks for the probe goes first, for one more interval: a casino that lists no bets is found to be back
# by movements alone.
PROBE_UNASKED = Statement(
    CasinoRow,
    """
UPDATE casino_health SET probe_at = now() + CAST(:probe_every AS interval)
WHERE casino_id = :casino_id AND open_since IS NOT NULL AND probe_at <= now() - CAST(:probe_every AS interval)
RETURNING casino_id
""",
)

# The casino answers questions again, but no movement yet: the next movement that fails opens the breaker, however late.
BACK = Statement(
    FailuresRow,
    """
UPDATE casino_health SET failures = greatest(CAST(:limit AS integer) - 1, 0), failing_since = 'infinity',
       open_since = NULL, probe_at = NULL
WHERE casino_id = :casino_id AND open_since IS NOT NULL
RETURNING failures
""",
)

SLOT = Statement(
    WaitRow,
    """
INSERT INTO casino_health AS health (casino_id, owed_at) VALUES (:casino_id, now() + CAST(:gap AS interval))
ON CONFLICT (casino_id) DO UPDATE SET owed_at = greatest(health.owed_at, now()) + CAST(:gap AS interval)
WHERE coalesce(health.owed_at, now()) <= now() + CAST(:ahead AS interval)
RETURNING owed_at - CAST(:gap AS interval) - now() AS wait
""",
)

SHOWN = Statement(
    BreakerRow,
    """
SELECT casino.name, coalesce(failures, 0) AS failures, open_since, extract(epoch FROM now() - open_since) AS open_for
FROM casino LEFT JOIN casino_health USING (casino_id) ORDER BY name
""",
)
