"""Named points at which a test makes a process die, exactly there and once.

Off unless the setting ``failpoints`` names a folder. A test arms a point by making a file of its name there. The
process that reaches the point deletes the file and kills itself, as a power cut would. A number in the file is how many
tasks have to be at the point: those that reach it before the last one wait there, and die with it.
"""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

_folder: Path | None = None
_waiting: Counter[str] = Counter()


def configure(folder: Path | None) -> None:
    """Set the folder in which tests arm failpoints; None turns them off. Composition roots call it."""
    global _folder
    _folder = folder


async def reach(name: str) -> None:
    """Kill this process if the failpoint is armed."""
    if _folder is None:
        return
    armed = _folder / name
    try:
        wanted = int(armed.read_text() or 1)
    except FileNotFoundError:
        return
    _waiting[name] += 1
    if _waiting[name] < wanted:
        await asyncio.Event().wait()
    armed.unlink()
    os.kill(os.getpid(), signal.SIGKILL)
