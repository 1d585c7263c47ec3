"""Liveness, readiness and metrics."""

from typing import TYPE_CHECKING

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from betcore.db.database import Database
from betcore.telemetry import health
from betcore.telemetry.database_gauges import DatabaseGauges

if TYPE_CHECKING:
    # The feed knows nothing of Temporal, and is smaller without it.
    from temporalio.client import Client


def live_router() -> APIRouter:
    """Return the route ``/health/live``, which asks no server: a balancer may ask it as often as it likes."""
    routes = APIRouter()

    @routes.get("/health/live", operation_id="isLive", tags=["Operations"], summary="The process is up.")
    async def live() -> dict[str, str]:
        return {"status": "up"}

    return routes


def router(database: Database | None = None, temporal: "Client | None" = None) -> APIRouter:
    """Return the routes ``/health/live``, ``/health/ready`` and ``/metrics`` of a process that needs these servers.

    A process without Temporal shows its own metrics alone: those of the database are the API's.
    """
    routes = live_router()
    gauges = None if database is None or temporal is None else DatabaseGauges(database)

    @routes.get("/health/ready")
    async def ready() -> JSONResponse:
        parts = {} if database is None else dict(await health.ready(database, temporal))
        return JSONResponse(parts, 200 if all(parts.values()) else 503)

    @routes.get("/metrics")
    async def metrics() -> Response:
        of_database = b"" if gauges is None else await gauges.exposition()
        return Response(generate_latest() + of_database, media_type=CONTENT_TYPE_LATEST)

    return routes
