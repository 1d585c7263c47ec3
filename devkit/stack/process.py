"""One process of the stack: how it starts, when it is ready, how it is kept alive and how it ends."""

import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from devkit.stack import orphans, ports, spawn
from devkit.stack.errors import PortTaken, StartFailed
from devkit.stack.folder import Folder

ROOT = Path(__file__).parents[2]  # the checkout, in which every process runs

_FIRST_PAUSE = 0.5  # seconds before the first restart of a crashed process; doubled for each further one
LONGEST_PAUSE = 30.0
_HEALTHY_AFTER = 5.0  # seconds of life after which a crash counts as the first one again: long enough to have worked
_ASK_GAP = 0.05  # seconds between two probes of readiness
_TAIL = 2_000  # characters of a log shown when its process does not start


async def always() -> bool:
    """Return True: the process is ready as soon as it runs."""
    return True


@dataclass(frozen=True)
class Service:
    """The command of a process, and when it counts as ready."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[bool]] = always
    ready_line: str = ""  # what it logs when it is ready
    patience: float = 180.0  # seconds until it must be ready; a busy machine may take a minute over it
    ports: Sequence[int] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0  # seconds between the stop signal and SIGKILL
    identity: str = "self"  # see devkit.stack.spawn
    reach: Sequence[str] = ()


async def start(service: Service, *, stdout: int, stderr: int, checkout: Path = ROOT) -> asyncio.subprocess.Process:
    """Start the program through ``devkit.stack.spawn``, in a group of its own: Ctrl-C reaches the supervisor alone."""
    arguments = (str(os.getpid()), str(service.stop_signal.value), service.identity, ":".join(service.reach))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", spawn.__file__),
        *arguments,
        *service.command,
        env={**os.environ, **service.env},
        cwd=checkout,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        process_group=0,
    )


async def run_once(service: Service, log: Path) -> str:
    """Run a process to its end and return its standard output; the rest is appended to ``log``.

    Raises StartFailed for an exit status other than 0. A cancelled run is killed.
    """
    with log.open("ab") as stream:
        process = await start(service, stdout=asyncio.subprocess.PIPE, stderr=stream.fileno())
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
        status = await process.wait()
    if status != 0:
        printed = output.decode(errors="replace")
        raise StartFailed(f"{service.name} {_ending(status)}\n{printed}{_tail(log)}")
    return output.decode()


class Child:
    """A process that is started again whenever it ends without having been stopped."""

    def __init__(self, service: Service, folder: Folder, say: Callable[[str], None]) -> None:
        self.service = service
        self._folder = folder
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._log_from = 0  # offset in its log at which the present process begins, in bytes
        self._pid_file = folder.pids / f"{service.name}.pid"

    @property
    def pid(self) -> int | None:
        """Return the pid of the running process; None between a crash and the restart."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def start(self) -> None:
        """Start it, wait until it is ready, then keep it alive. Raises StartFailed, or PortTaken."""
        # A server that listens there already could answer in its place that it is ready.
        self._ports_are_free(f"{self.service.name} was not started")
        process = await self._begin()
        await self._until_ready(process)
        self._keeper = asyncio.create_task(self._keep(process))

    async def _begin(self) -> asyncio.subprocess.Process:
        log = self._folder.log(self.service.name)
        with log.open("ab") as stream:
            stream.write(f"--- {time.strftime('%F %T')} {shlex.join(self.service.command)}\n".encode())
            stream.flush()
            self._log_from = stream.tell()
            process = await start(self.service, stdout=stream.fileno(), stderr=stream.fileno())
        self._process = process
        orphans.record(self._pid_file, process.pid, self.service.stop_signal)
        return process

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        died = asyncio.create_task(process.wait())
        try:
            async with asyncio.timeout(self.service.patience):
                while not died.done():
                    if await self._is_ready() and not died.done():
                        return
                    await asyncio.wait([died], timeout=_ASK_GAP)
        except TimeoutError:
            raise StartFailed(f"{self.service.name} was not ready in time\n{_tail(self._log())}") from None
        finally:
            died.cancel()
        message = f"{self.service.name} {_ending(died.result())}\n{_tail(self._log())}"
        self._ports_are_free(message)
        raise StartFailed(message)

    def _ports_are_free(self, message: str) -> None:
        if any(ports.taken(port) for port in self.service.ports):
            raise PortTaken(message)

    async def _is_ready(self) -> bool:
        with self._log().open("rb") as log:
            log.seek(self._log_from)
            logged = self.service.ready_line.encode() in log.read()
        return logged and await self.service.ready()

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        pause = _FIRST_PAUSE
        while True:
            since = time.monotonic()
            status = await process.wait()
            if time.monotonic() - since >= _HEALTHY_AFTER:
                pause = _FIRST_PAUSE
            self._say(f"{self.service.name} {_ending(status)}; starting it again in {pause:g} s (see {self._log()})")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            process = await self._begin()
            with suppress(StartFailed):  # the next turn shows how it ended, or it is only slow
                await self._until_ready(process)
                self._say(f"{self.service.name} is ready again, pid {process.pid}")

    async def stop(self, hurry: asyncio.Event) -> None:
        """Ask it to end, and kill it when its grace is over or ``hurry`` is set."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._process is None:
            return
        if self._process.returncode is None:
            await self._end(self._process, hurry)
        self._pid_file.unlink(missing_ok=True)

    async def _end(self, process: asyncio.subprocess.Process, hurry: asyncio.Event) -> None:
        process.send_signal(self.service.stop_signal)
        ended, hurried = asyncio.create_task(process.wait()), asyncio.create_task(hurry.wait())
        await asyncio.wait([ended, hurried], timeout=self.service.grace, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ended.done():
            self._say(f"{self.service.name} is killed: it did not end in time")
            os.killpg(process.pid, signal.SIGKILL)
        await ended

    def _log(self) -> Path:
        return self._folder.logs / f"{self.service.name}.log"


def _ending(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _tail(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _TAIL))
        return f"end of {log}:\n{stream.read().decode(errors='replace')}"
