"""Processes that a killed supervisor left behind: each child has a pid file, and the next start ends them."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

_GRACE = 10.0  # seconds between asking an orphan to end and killing it
_GAP = 0.05


def mark(pid: int) -> str | None:
    """Return what distinguishes this process from a later one with the same pid; None if there is no such process.

    Linux: the boot and the start time in ticks since then (field 22 of ``/proc/<pid>/stat``); elsewhere the start time
    of ps.
    """
    if sys.platform != "linux":
        return _ps(pid, "lstart")
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] == "Z":
        return None
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}/{fields[19]}"


def command(pid: int) -> str | None:
    """Return the command line of a process, words separated by blanks; None if there is no such process."""
    if sys.platform != "linux":
        return _ps(pid, "args")
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _ps(pid: int, column: str) -> str | None:
    asked = subprocess.run(["/bin/ps", "-o", f"{column}=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None


def record(file: Path, pid: int, stop_signal: signal.Signals) -> None:
    """Write the pid file of a child, whole or not at all: a stack that dies meanwhile must not lose track of it."""
    new = file.with_suffix(".new")
    new.write_text(f"{pid} {stop_signal.value} {mark(pid)}")
    new.replace(file)


def living(file: Path) -> int | None:
    """Return the pid in a pid file while that very process lives; a later process with the same pid is not it."""
    try:
        pid, _, known = _read(file)
    except FileNotFoundError:
        return None
    return pid if known is not None and mark(pid) == known else None


async def end_all(folder: Path) -> list[str]:
    """End the processes of the pid files in ``folder``, remove the files; return the names of those that still ran."""
    ended = []
    for file in _files(folder):
        pid, number, known = _read(file)
        if known is not None and mark(pid) == known:
            ended.append(file.stem)
            await _end(pid, number, known)
        file.unlink()
    return ended


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pid"))


def _read(file: Path) -> tuple[int, int, str | None]:
    words = file.read_text().split(maxsplit=2)
    if len(words) != 3:  # the supervisor died while it wrote the file
        return 0, 0, None
    return int(words[0]), int(words[1]), words[2]


async def _end(pid: int, number: int, known: str) -> None:
    _signal(pid, number)
    waited = 0.0
    while mark(pid) == known:
        await asyncio.sleep(_GAP)
        waited += _GAP
        if waited > _GRACE:
            _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
