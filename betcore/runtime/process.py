"""Ending a process that has used Temporal's SDK."""

import os
import sys
from contextlib import suppress
from typing import NoReturn


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
