"""What a worker answers over HTTP: whether it lives, whether it is ready, and its metrics."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from temporalio.client import Client

from betcore.db.database import Database
from betcore.domain.errors import Misconfigured
from betcore.telemetry import health
from betcore.telemetry.health import soon
from betcore.telemetry.temporal_metrics import TemporalMetrics

_log = structlog.get_logger()
# Seconds for what is being answered when the worker stops.
_TO_END = 1.0


class WorkerEndpoint:
    """The answers of one worker process. ``is_polling`` says whether all of its workers take tasks."""

    def __init__(
        self, database: Database, client: Client, temporal_metrics: TemporalMetrics, is_polling: Callable[[], bool]
    ) -> None:
        self._database = database
        self._client = client
        self._temporal_metrics = temporal_metrics
        self._is_polling = is_polling

    @asynccontextmanager
    async def serve(self, address: str, port: int) -> AsyncIterator[None]:
        """Answer for the length of the block. Raise Misconfigured(invalid_settings) if it cannot listen there."""
        app = web.Application()
        app.router.add_get("/health/live", self._live)
        app.router.add_get("/health/ready", self._ready)
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_TO_END)
        await runner.setup()
        try:
            await web.TCPSite(runner, address, port).start()
        except OSError as error:
            await runner.cleanup()
            raise Misconfigured(
                f"cannot listen on {address}:{port} ({error.strerror}): set BETCORE_WORKER_METRICS_PORT, or 0",
                code="invalid_settings",
            ) from None
        _log.info("worker answers HTTP", address=address, port=runner.addresses[0][1])
        try:
            yield
        finally:
            await runner.cleanup()

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "up"})

    async def _ready(self, _: web.Request) -> web.Response:
        parts = {**await health.ready(self._database, self._client), "polling": self._is_polling()}
        return web.json_response(parts, status=200 if all(parts.values()) else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        of_temporal = await soon(self._temporal_metrics.exposition())
        body = generate_latest() + (of_temporal or b"")
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
