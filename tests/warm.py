"""``python -m betcore`` for the stacks of tests: the Python processes of ``up`` are forks of one that is warm.

A worker needs more than a second of CPU to import the service, and tests start and kill hundreds of processes, one
after another: so that none waits for half a minute to be started again, the pause before that stays short. A fork
runs the same program as ``__main__`` with its own arguments, environment, log, process group and pid; what happens to
it from there on, and how it is killed and started again, is real. ``tests/system/test_stack.py`` starts each process
anew, as ``make up`` does.
"""

import asyncio
import gc
import os
import runpy
import signal
import sys
import traceback
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from betcore.runtime.process import exit_now
from devkit.stack import process, spawn
from devkit.stack.process import Service

MODULES = (
    "worker",
    "api.main",
    "api.feed.main",
    "api.feed.websockets",
    "uvicorn.main",
    "uvicorn.loops.auto",
    "uvicorn.lifespan.on",
    "api.http_protocol",
    "betcore.cli.migrate",
    "betcore.db.migrate",
    "devkit.cli.sandbox",
    "devkit.cli.up",
    "devkit.stack.up",
    "devkit.sandbox.casino.app",
    "devkit.sandbox.provider.server",
)
_PAUSE = 1.0
_anew = process.start


class Forked:
    """A child of this process, as ``asyncio.subprocess.Process`` shows one."""

    def __init__(self, pid: int, output: int | None) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._output = output
        self._ended = asyncio.Event()
        self._watched = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._watched, self._reap)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watched)
        os.close(self._watched)
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._ended.set()

    async def wait(self) -> int:
        """Wait for its end, and return its exit status, or the negative number of the signal that ended it."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, if it still runs."""
        self.send_signal(signal.SIGKILL)

    async def communicate(self) -> tuple[bytes, None]:
        """Return its standard output when it has ended."""
        assert self._output is not None
        with os.fdopen(self._output, "rb") as stream:
            printed = await asyncio.to_thread(stream.read)
        await self.wait()
        return printed, None


async def start(service: Service, *, stdout: int, stderr: int) -> "asyncio.subprocess.Process | Forked":
    """Start a program of Python as a fork, any other one as the stack itself does."""
    if service.command[0] != sys.executable:
        return await _anew(service, stdout=stdout, stderr=stderr)
    reader, writer = os.pipe() if stdout == PIPE else (None, stdout)
    parent = os.getpid()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _be(service, parent, writer, stderr)
    if reader is not None:
        os.close(writer)
    return Forked(pid, reader)


def _be(service: Service, parent: int, stdout: int, stderr: int) -> NoReturn:
    """Become the service: nothing of the parent is left but its modules."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setpgid(0, 0)
        os.umask(0o077)
        spawn.die_with(parent, service.stop_signal.value)
        for at, given in enumerate((os.open(os.devnull, os.O_RDONLY), stdout, stderr)):
            os.dup2(given, at)
        # A lock of the parent holds until the last process that has its file open closes it.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.environ.update(service.env)
        asyncio.set_event_loop(None)
        _run(service.command)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        exit_now(status)


def _run(command: Sequence[str]) -> None:
    if command[1] == "-m":
        sys.argv = list(command[2:])
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(command[1:])
        runpy.run_path(command[1], run_name="__main__")


def main() -> None:
    """Run the command line, warm."""
    if hasattr(os, "pidfd_open"):
        for name in MODULES:
            import_module(name)
        gc.collect()
        gc.freeze()
        process.start = start  # type: ignore[assignment]
    process.LONGEST_PAUSE = _PAUSE
    runpy.run_module("betcore", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
