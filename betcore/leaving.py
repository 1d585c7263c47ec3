"""How a process that has used Temporal's SDK ends."""

import os
import sys
from contextlib import suppress
from typing import NoReturn


def leave(status: int) -> NoReturn:
    """End the process at once; whatever had to be ended in order has been.

    Threads of the SDK may still reach for the interpreter while it is taken down, and would end the process with a
    signal, whatever its work came to.
    """
    for stream in (sys.stdout, sys.stderr):
        # Whoever was to read it may have gone.
        with suppress(OSError):
            stream.flush()
    os._exit(status)
