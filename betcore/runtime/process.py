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


def allow_open_files(wanted: int) -> int:
    """Raise this process's limit of open files to what is wanted, as far as the system lets it; return what it may.

    The limit that a process begins with is often 1,024, for programs of another time.
    """
    try:
        import resource
    except ImportError:
        # There is none on Windows.
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= allowed:
        return allowed
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


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
