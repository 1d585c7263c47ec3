"""Liveness, readiness and metrics."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, TypeVar

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.responses import JSONResponse, Response

from betcore.db.circuit_breakers import Breaker, CircuitBreakers
from betcore.db.database import Database
from betcore.db.incidents import Incidents
from betcore.db.statement import NoRow, Statement

if TYPE_CHECKING:
    # The feed knows nothing of Temporal, and is smaller without it.
    from temporalio.client import Client

_T = TypeVar("_T")
_WITHIN = 1.0
_ALIVE = Statement(NoRow, "SELECT 1")


def live_router() -> APIRouter:
    """Return the route ``/health/live``, which asks no server: a balancer may ask it as often as it likes."""
    routes = APIRouter()

    @routes.get("/health/live", operation_id="isLive", tags=["Operations"], summary="The process is up.")
    async def live() -> dict[str, str]:
        return {"status": "up"}

    return routes


def router(database: Database, temporal: "Client | None" = None) -> APIRouter:
    """Return the routes ``/health/live``, ``/health/ready`` and ``/metrics``.

    A process without Temporal shows its own metrics alone: those of the database are the API's.
    """
    routes = live_router()
    incidents, casinos = Incidents(database), CircuitBreakers(database, 0)

    @routes.get("/health/ready")
    async def ready() -> JSONResponse:
        asked = {"database": _answers(database)} | ({} if temporal is None else {"temporal": _healthy(temporal)})
        answers = await asyncio.gather(*map(_soon, asked.values()))
        parts = {name: bool(answer) for name, answer in zip(asked, answers, strict=True)}
        return JSONResponse(parts, 200 if all(parts.values()) else 503)

    @routes.get("/metrics")
    async def metrics() -> Response:
        found = generate_latest()
        if temporal is not None:
            counts, breakers = await asyncio.gather(_soon(incidents.counts()), _soon(casinos.shown()))
            found += _of_incidents(counts) + _of_breakers(breakers or ())
        return Response(found, media_type=CONTENT_TYPE_LATEST)

    return routes


async def _answers(database: Database) -> bool:
    await database.execute(_ALIVE)
    return True


async def _healthy(client: "Client") -> bool:
    return await client.service_client.check_health()


async def _soon(question: Awaitable[_T]) -> _T | None:
    try:
        async with asyncio.timeout(_WITHIN):
            return await question
    except Exception:
        # Any failure means that the part does not answer; its own log says why.
        return None


def _of_incidents(counts: dict[str, int] | None) -> bytes:
    """Return the gauge of incidents, read from the table: it is the same in every process."""
    registry = CollectorRegistry()
    readable = Gauge("betcore_incidents_readable", "Whether incidents could be counted (1 or 0).", registry=registry)
    readable.set(counts is not None)
    if counts is not None:
        gauge = Gauge("betcore_incidents", "Incidents on record by kind.", ["kind"], registry=registry)
        for kind, number in counts.items():
            gauge.labels(kind).set(number)
    return generate_latest(registry)


def _of_breakers(breakers: Sequence[Breaker]) -> bytes:
    """Return the gauges of circuit breakers, without casinos if they could not be read."""
    registry = CollectorRegistry()
    is_open = Gauge("betcore_breaker_open", "Whether stakes for a casino fail fast.", ["casino"], registry=registry)
    seconds = Gauge("betcore_breaker_open_seconds", "For how long already.", ["casino"], registry=registry)
    for breaker in breakers:
        is_open.labels(breaker.casino).set(breaker.open_since is not None)
        seconds.labels(breaker.casino).set(breaker.open_for or 0)
    return generate_latest(registry)
