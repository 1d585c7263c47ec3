"""Stacks under load: one of its own on free ports, of this checkout or another, or our processes on servers elsewhere.

If BETCORE_TEMPORAL_ADDRESS or BETCORE_DATABASE_URL is set, both must be: API, workers and the sandbox partners then run
here against those servers. Otherwise ``python -m betcore up`` starts everything.
"""

import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from bench import harness
from bench.bets import elsewhere
from bench.bets.processes import Watch, driver
from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings
from devkit.stack.process import ROOT, Service, start
from devkit.stack.up import PORTS, Ready

_SERVERS = ("BETCORE_DATABASE_URL", "BETCORE_TEMPORAL_ADDRESS")


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Make a data folder, which goes afterwards. PostgreSQL, which does not run as root, has to enter it."""
    with tempfile.TemporaryDirectory(prefix="betcore-bench-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o711)
        yield Path(made, "data")


@dataclass(frozen=True, slots=True)
class StackOptions:
    """How a stack is started: number of workers, variables of its processes, and the checkout that it runs."""

    processes: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    checkout: Path = ROOT


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that is up: what it said, its settings, and the variables with which a process finds it."""

    ready: Ready
    settings: Settings
    environment: Mapping[str, str]

    @property
    def counterparty_id(self) -> str:
        """Return the sandbox provider's id."""
        return self.ready.counterparty_id or ""

    @property
    def secret(self) -> str:
        """Return the secret by which the sandbox provider signs."""
        return self.ready.secret or ""

    @property
    def pids(self) -> dict[str, int]:
        """Return the processes that work for a bet: all but the sandbox provider, and this one, which plays them."""
        return {name: pid for name, pid in self.ready.pids.items() if name != "sandbox-provider"} | driver()

    def servers(self, *names: str) -> dict[str, int]:
        """Return those of the named processes that this stack runs: none of a server elsewhere."""
        return {name: pid for name, pid in self.ready.pids.items() if name in names}

    @property
    def postgres_log(self) -> Path | None:
        """Return the log of the embedded PostgreSQL; None if the server is elsewhere."""
        return self.settings.data_dir / "logs" / "postgres.log" if "postgres" in self.ready.pids else None


def on_servers_elsewhere() -> bool:
    """Return whether the environment names servers. Raises Misconfigured if it names one of two."""
    named = [name for name in _SERVERS if os.environ.get(name)]
    if len(named) == 1:
        raise Misconfigured(f"{named[0]} is set alone: name both servers, or none", code="invalid_settings")
    return bool(named)


def running_stack(watch: Watch, options: StackOptions = StackOptions()) -> AbstractAsyncContextManager[RunningStack]:
    """Run a stack during the block, and have its processes watched."""
    return _elsewhere(watch, options) if on_servers_elsewhere() else own_stack(watch, options)


@asynccontextmanager
async def own_stack(watch: Watch, options: StackOptions) -> AsyncIterator[RunningStack]:
    """Run ``python -m betcore up`` of a checkout on free ports and in a temporary folder."""
    with _temporary_folder() as folder:
        ports = {f"BETCORE_{name.upper()}": "0" for name in PORTS}
        command = (sys.executable, "-m", "betcore", "up", "--json", "--data-dir", str(folder))
        up = Service("up", (*command, "--processes", str(options.processes)), {**ports, **options.variables})
        process = await start(up, stdout=PIPE, stderr=sys.stderr.fileno(), checkout=options.checkout)
        try:
            said = json.loads(await harness.first_line(process, "the stack"))
            if "error" in said:
                raise harness.ProcessEnded(f"the stack did not start: {said['error']['message']}")
            # A checkout from before the feed, the inner ports, or the ports of workers, names none.
            ready = Ready(**{"feed": "", "api_inner": "", "feed_inner": "", "workers": []} | said)
            watch.add_child("the stack", process)
            watch.add("the stack", ready.pids)
            # The floors, and what fills tables beforehand, write more than any role of the service may.
            settings = Settings(data_dir=folder, database_url=SecretStr(ready.database))
            environment = {"BETCORE_DATA_DIR": str(folder), "BETCORE_DATABASE_URL": ready.database}
            yield RunningStack(ready, settings, environment)
        finally:
            await harness.end(process)


@asynccontextmanager
async def _elsewhere(watch: Watch, options: StackOptions) -> AsyncIterator[RunningStack]:
    with _temporary_folder() as folder:
        async with elsewhere.our_processes(folder, options.processes, options.variables) as (ready, environment):
            watch.add("the stack", ready.pids)
            yield RunningStack(ready, Settings(data_dir=folder), environment)
