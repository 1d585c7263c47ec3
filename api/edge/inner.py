"""The inner port of a process: what its operators read, and no partner calls.

It listens apart from the port for partners, so that a firewall can tell them apart, and so that monitoring still gets
its answers when partners' connections are used up.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from starlette.responses import JSONResponse

from api.documentation import page
from api.framework import bare_application
from betcore.domain.errors import Misconfigured

_log = structlog.get_logger()


def inner_app(outer: FastAPI, health: APIRouter, docs_title: str | None) -> FastAPI:
    """Return the application of the inner port: health, metrics, the OpenAPI document of ``outer``.

    With a title it serves the page ``/docs`` too.
    """
    app = bare_application()
    app.include_router(health)

    @app.get("/openapi.json")
    async def document() -> JSONResponse:
        return JSONResponse(outer.openapi())

    if docs_title is not None:
        page.serve(app, docs_title)
    return app


@asynccontextmanager
async def serving(app: FastAPI, host: str, port: int) -> AsyncIterator[int]:
    """Serve an application beside the process's own during the block, and yield its port. 0 takes a free one.

    Raises Misconfigured if the address cannot be listened on.
    """
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        message = f"the inner port cannot listen on {host}:{port}: {error.strerror or error}"
        raise Misconfigured(message, code="invalid_settings") from None
    with listening:
        config = uvicorn.Config(
            app,
            http="api.http_protocol:BoundedHttp",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = _Beside(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        chosen: int = listening.getsockname()[1]
        _log.info("the inner port listens", host=host, port=chosen)
        try:
            yield chosen
        finally:
            server.should_exit = True
            await task


class _Beside(uvicorn.Server):
    """A server that leaves signals to the one of the process: else that would not learn that it has to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
