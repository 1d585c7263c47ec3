"""Gauges of what stands in the database: the same in every process that reports them, so take their maximum."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from betcore.db.circuit_breakers import Breaker, CircuitBreakers
from betcore.db.database import Database
from betcore.db.incidents import Incidents
from betcore.db.metric_snapshots import MetricSnapshots
from betcore.db.statements.metric_snapshots import SnapshotRow
from betcore.runtime.tasks import retrieve
from betcore.telemetry.health import soon


@dataclass(frozen=True, slots=True)
class _Part:
    """What is shown of a part of the snapshots: a gauge for each of some fields of its lines."""

    labels: Sequence[str]
    gauges: Mapping[str, tuple[str, str]]


_PARTS = {
    "open": _Part(
        ("subject", "provider", "casino", "currency", "status"),
        {
            "count": ("betcore_open", "Open bets, reversals and cashbacks."),
            "amount": ("betcore_open_minor_units", "Their money."),
            "oldest": ("betcore_open_oldest_seconds", "For how long the oldest of them has been so."),
        },
    ),
    "jackpots": _Part(
        ("casino", "jackpot", "currency"),
        {
            "amount": ("betcore_jackpot_minor_units", "What a pool has."),
            "unbooked": ("betcore_jackpot_unbooked", "Stakes that are to be booked to a pool."),
        },
    ),
    "live_rounds": _Part(
        ("game_type",),
        {
            "count": ("betcore_live_review", "Rounds of live games in review."),
            "oldest": ("betcore_live_review_oldest_seconds", "For how long the oldest of them has been so."),
        },
    ),
}


class DatabaseGauges:
    """Reads the gauges at each scrape. What cannot be read within a second is left out."""

    def __init__(self, database: Database) -> None:
        self._incidents = Incidents(database)
        self._breakers = CircuitBreakers(database, 0)
        self._snapshots = MetricSnapshots(database)
        self._taking: asyncio.Task[None] | None = None

    async def exposition(self) -> bytes:
        """Return the gauges in Prometheus' text format."""
        if self._taking is None or self._taking.done():
            self._taking = asyncio.create_task(self._snapshots.take())
            # Its failure is shown by the age of the snapshots; without this asyncio would log it.
            self._taking.add_done_callback(retrieve)
        # To add up many open rows may take longer than a scrape may wait: the next scrape has it then.
        await soon(asyncio.shield(self._taking))
        counts, breakers, snapshots = await asyncio.gather(
            soon(self._incidents.counts()), soon(self._breakers.shown()), soon(self._snapshots.shown())
        )
        registry = CollectorRegistry()
        gauges = register(registry)
        gauges.show_incidents(counts)
        gauges.show_breakers(breakers or ())
        gauges.show_snapshots(snapshots or ())
        return generate_latest(registry)


@dataclass(frozen=True, slots=True)
class _Gauges:
    """The gauges in a registry; those of snapshots by part and field."""

    incidents_readable: Gauge
    incidents: Gauge
    breaker_open: Gauge
    breaker_open_seconds: Gauge
    age: Gauge
    parts: Mapping[str, Mapping[str, Gauge]]

    def show_incidents(self, counts: Mapping[str, int] | None) -> None:
        self.incidents_readable.set(counts is not None)
        for kind, number in (counts or {}).items():
            self.incidents.labels(kind).set(number)

    def show_breakers(self, breakers: Iterable[Breaker]) -> None:
        for breaker in breakers:
            self.breaker_open.labels(breaker.casino).set(breaker.open_since is not None)
            self.breaker_open_seconds.labels(breaker.casino).set(breaker.open_for or 0)

    def show_snapshots(self, snapshots: Iterable[SnapshotRow]) -> None:
        for snapshot in snapshots:
            self.age.labels(snapshot.part).set(snapshot.age)
            for line in snapshot.found:
                values = [str(line[label]) for label in _PARTS[snapshot.part].labels]
                for field, gauge in self.parts[snapshot.part].items():
                    gauge.labels(*values).set(float(str(line[field])))


def register(registry: CollectorRegistry) -> _Gauges:
    """Return the gauges, made in a registry. One without a sample has no line of its own."""
    casino = ("casino",)
    return _Gauges(
        Gauge("betcore_incidents_readable", "Whether incidents could be counted (1 or 0).", registry=registry),
        Gauge("betcore_incidents", "Incidents on record by kind.", ("kind",), registry=registry),
        Gauge("betcore_breaker_open", "Whether stakes for a casino fail fast.", casino, registry=registry),
        Gauge("betcore_breaker_open_seconds", "For how long already.", casino, registry=registry),
        Gauge("betcore_snapshot_age_seconds", "How old the sums over open rows are.", ("part",), registry=registry),
        {
            name: {field: Gauge(*about, part.labels, registry=registry) for field, about in part.gauges.items()}
            for name, part in _PARTS.items()
        },
    )
