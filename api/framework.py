"""FastAPI without what it would do by itself: no pages of documentation, no redirects, no telemetry."""

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import Lifespan

# FastAPI would use whatever OpenTelemetry finds in the environment, and tell it paths with ids of players' sessions,
# and texts of errors with what partners have sent.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def bare_application(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """Return an application that serves its own routes and nothing else."""
    return FastAPI(
        version="1",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
