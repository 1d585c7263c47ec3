"""Processes that a test starts: they end with the pytest that has started them, however it ends."""

import os
import signal
import sys

from devkit.stack import spawn


def spawned(*command: str) -> tuple[str, ...]:
    """Return the command with a guard: it gets SIGTERM when this process is gone, even if it was killed (on Linux)."""
    options = (str(os.getpid()), str(signal.SIGTERM.value), "self", "")
    return (sys.executable, "-I", "-S", spawn.__file__, *options, *command)
