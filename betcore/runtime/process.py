"""The event loop of a process, and the end of one that has used Temporal's SDK."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import NoReturn


def run(main: Coroutine[object, object, None]) -> None:
    """Run a process that lasts, on uvloop if it is installed: it takes less CPU than asyncio's own loop."""
    with asyncio.Runner(loop_factory=_uvloop()) as runner:
        runner.run(main)


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        from uvloop import new_event_loop
    except ImportError:
        # There is none for Windows.
        return None
    return new_event_loop


def exit_now(status: int) -> NoReturn:
    """End the process at once with this exit status. Call it after everything is closed.

    Threads of the SDK may use the interpreter while it shuts down: the process would die from a signal, and its exit
    status would be lost.
    """
    for stream in (sys.stdout, sys.stderr):
        # The reader of the pipe may be gone.
        with suppress(OSError):
            stream.flush()
    os._exit(status)
