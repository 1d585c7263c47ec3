"""What guards a process while it serves: its limits, and a watch over its open files."""

import asyncio
import errno
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from api.edge.connections import STATE, Connections
from betcore.runtime.seldom_log import SeldomLog
from betcore.runtime.settings import Settings

_LOOK_EVERY = 1.0
# Seldom, as most of what a connection or a call leaves is freed without a collection.
_COLLECTIONS = (2_000, 10, 50)
_NO_FILES = (errno.EMFILE, errno.ENFILE)
_LOG = SeldomLog()


@asynccontextmanager
async def guarding(settings: Settings) -> AsyncIterator[dict[str, object]]:
    """Yield the state of a lifespan, by which ``BoundedHttp`` finds its limits; watch over the process meanwhile."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(_on_error)
    watching = asyncio.create_task(_watch())
    before_collections = gc.get_threshold()
    # A full collection looks at all that the process was composed of and at every connection: with thousands of them
    # it holds up all calls for a quarter of a second, and short-lived connections make it come each few seconds.
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)
    try:
        yield {STATE: Connections.of(settings)}
    finally:
        watching.cancel()
        gc.unfreeze()
        gc.set_threshold(*before_collections)
        loop.set_exception_handler(before)


async def _watch() -> None:
    """Look each second whether a file can be opened.

    Without one no connection can be accepted. uvloop closes those that wait, and says nothing.
    """
    while True:
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            _none_left(error)
        await asyncio.sleep(_LOOK_EVERY)


def _on_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that the loop has met. Without open files asyncio's own meets 2,000 a second, each with a trace."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in _NO_FILES:
        _none_left(error)
    else:
        loop.default_exception_handler(context)


def _none_left(error: OSError) -> None:
    _LOG.warning("no file can be opened: connections are not accepted", error=error.strerror)
