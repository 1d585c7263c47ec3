"""Named points at which a test makes a process die, exactly there and once.

Off unless ``BETCORE_FAILPOINTS`` names a folder. A test arms a point by making a file of its name there; the process
that reaches the point takes the file away and kills itself, as a power cut would.
"""

import os
import signal

from betcore.settings import Settings

_folder = Settings().failpoints


def reach(name: str) -> None:
    """Die here if this point is armed."""
    if _folder is None:
        return
    try:
        (_folder / name).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
