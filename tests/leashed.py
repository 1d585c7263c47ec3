"""Processes that a test starts: they end with the pytest that has started them, however that one ends."""

import os
import signal
import sys

from devkit.stack import spawn


def leashed(*command: str) -> tuple[str, ...]:
    """The command on a leash: it gets SIGTERM when this process is gone, killed ones included (on Linux)."""
    options = (str(os.getpid()), str(signal.SIGTERM.value), "self", "")
    return (sys.executable, "-I", "-S", spawn.__file__, *options, *command)
