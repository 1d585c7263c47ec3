"""Whether the process is up, and whether it can serve."""

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import JSONResponse, Response
from temporalio.client import Client

_WITHIN = 1.0


def router(engine: AsyncEngine, client: Client) -> APIRouter:
    """``/health/live``, ``/health/ready`` and ``/metrics``."""
    routes = APIRouter()

    @routes.get("/health/live", summary="The process is up.")
    async def live() -> dict[str, str]:
        return {"status": "up"}

    @routes.get(
        "/health/ready", summary="Database and Temporal answer.", responses={503: {"description": "One does not."}}
    )
    async def ready() -> JSONResponse:
        database, temporal = await asyncio.gather(_answers(_select(engine)), _answers(_healthy(client)))
        parts = {"database": database, "temporal": temporal}
        return JSONResponse(parts, 200 if all(parts.values()) else 503)

    @routes.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return routes


async def _select(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    return True


async def _healthy(client: Client) -> bool:
    return await client.service_client.check_health()


async def _answers(check: Awaitable[bool]) -> bool:
    try:
        async with asyncio.timeout(_WITHIN):
            return await check
    except Exception:
        # Whatever it is, the part does not answer; its own log says why.
        return False
