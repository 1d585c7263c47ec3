"""The whole stack: which processes, in which order, with which settings."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from betcore.runtime.settings import Settings
from devkit.stack import ours, ports, sandbox
from devkit.stack.codec_endpoint import CodecEndpoint, new_endpoint
from devkit.stack.errors import PortTaken
from devkit.stack.folder import DATABASE_ROLES, Folder
from devkit.stack.postgres import Postgres
from devkit.stack.process import Service, run_once
from devkit.stack.supervisor import Supervisor
from devkit.stack.temporal import Temporal

PORTS = (
    "api_port",
    "api_inner_port",
    "feed_port",
    "feed_inner_port",
    "codec_port",
    "codec_inner_port",
    "sandbox_casino_port",
    "sandbox_provider_port",
    "temporal_port",
    "temporal_ui_port",
    "database_port",
)
# Settings of servers elsewhere, and of several releases; this stack has servers of its own, and is one release.
_ELSEWHERE = (
    "worker_versioning",
    "database_url",
    "database_tls",
    "database_tls_ca",
    "database_tls_cert",
    "database_tls_key",
    "temporal_address",
    "temporal_namespace",
    "temporal_tls",
    "temporal_tls_ca",
    "temporal_tls_cert",
    "temporal_tls_key",
    "temporal_api_key",
)
# Settings that a command must not take over from a running stack.
_OWN = ("data_dir", "failpoints", "worker_metrics_address", "worker_metrics_port")
_ATTEMPTS = 3

Env = dict[str, str]
Wire = Callable[[str, Env], Awaitable[Env]]


async def _directly(name: str, env: Env) -> Env:
    return env


@dataclass(frozen=True)
class Ready:
    """A stack that is up: HTTP addresses as URLs, Temporal as host:port, the database as its superuser's URL.

    ``codec`` is the endpoint of the codec server, with its token; None without a payload key.
    """

    api: str
    api_inner: str
    feed: str
    feed_inner: str
    temporal: str
    temporal_ui: str
    database: str
    sandbox_casino: str | None
    sandbox_provider: str | None
    counterparty_id: str | None
    secret: str | None
    partner_client_id: int | None
    session_id: str | None
    workers: list[str]
    pids: dict[str, int]
    codec: str | None = None

    @property
    def live(self) -> str | None:
        """Return the address at which the sandbox casino opens the feed's page; None without a sandbox."""
        return self.lobby and f"{self.lobby}/live"

    @property
    def lobby(self) -> str | None:
        """Return the address of the sandbox casino's page, on which its player plays; None without a sandbox."""
        return self.sandbox_casino and f"{self.sandbox_casino}/casino/{self.partner_client_id}"


async def run(
    settings_of: Callable[[], Settings],
    folder: Folder,
    when_ready: Callable[[Ready], Awaitable[None]],
    *,
    with_sandbox: bool = True,
    processes: int = 1,
    wire: Wire = _directly,
) -> None:
    """Start the stack, await ``when_ready``, and run until SIGINT, SIGTERM or SIGHUP.

    ``settings_of`` reads the settings after the remains of an earlier stack are gone. ``wire`` may give a process other
    addresses: it receives the name of each process that is about to start, and its variables. A second signal kills
    what is still stopping. Raises StackRefused and what ``when_ready`` raises, with everything stopped.
    """
    with folder.locked():
        folder.unpublish()
        ignored = [name for name in map(_variable, _ELSEWHERE) if os.environ.pop(name, None) is not None]
        settings = settings_of()
        async with Supervisor(folder) as supervisor:
            if ignored:
                supervisor.say(f"the stack has its own servers and one release: {', '.join(ignored)} not used")
            stack = _Stack(settings, supervisor, with_sandbox, processes, wire)

            async def live() -> None:
                await when_ready(await stack.start())
                await asyncio.Event().wait()

            job = asyncio.create_task(live())
            stopped = _stop_at_signals(job, supervisor)
            try:
                await asyncio.wait([job])
                if not stopped.is_set():
                    job.result()
            finally:
                job.cancel()
                folder.unpublish()


def _stop_at_signals(job: "asyncio.Task[None]", supervisor: Supervisor) -> asyncio.Event:
    stopped = asyncio.Event()

    def stop() -> None:
        if stopped.is_set():
            supervisor.hurry()
        else:
            stopped.set()
            supervisor.say("stopping")
            job.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            asyncio.get_running_loop().add_signal_handler(number, stop)
    return stopped


class _Stack:
    """The processes of ``python -m betcore up``."""

    def __init__(
        self, settings: Settings, supervisor: Supervisor, with_sandbox: bool, processes: int, wire: Wire
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._folder = supervisor.folder
        self._with_sandbox = with_sandbox
        self._processes = processes
        self._wire = wire

    async def start(self) -> Ready:
        """Start everything, in order. If another process took a free port meanwhile, choose a new one."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._start()
            except PortTaken as taken:
                if all(getattr(self._settings, name) for name in PORTS):
                    raise
                self._supervisor.say(f"starting over: {taken}")
                await self._supervisor.stop()
        return await self._start()

    async def _start(self) -> Ready:
        wanted = {name: getattr(self._settings, name) for name in PORTS if self._wants(name)}
        port = ports.settle(wanted)
        database = Postgres(self._folder, port["database_port"])
        codec = self._codec_endpoint(port)
        temporal = Temporal(
            self._folder, port["temporal_port"], port["temporal_ui_port"], codec_endpoint=codec.url if codec else None
        )
        await database.prepare()
        await self._supervisor.start(database.service(), temporal.service())

        own = {**port, "temporal_address": temporal.address, "secret_key": self._key()}
        own["temporal_ui_url"] = _http(port["temporal_ui_port"])
        env = {_variable(name): str(value) for name, value in own.items()}
        env |= {"BETCORE_DATA_DIR": str(self._folder.path), "BETCORE_SANDBOX_AGGREGATOR_URL": _http(port["api_port"])}
        roles = {role: {**env, "BETCORE_DATABASE_URL": database.url_of(role)} for role in DATABASE_ROLES}
        migrate = Service("migrate", (sys.executable, "-m", "betcore", "migrate"), roles["owner"])
        await run_once(migrate, self._folder.log("migrate"))
        worker_ports = self._worker_ports(port)
        accounts = await self._start_ours(port, worker_ports, env, roles)
        if codec is not None:
            inner_port = port["codec_inner_port"]
            await self._supervisor.start(ours.codec(port["codec_port"], inner_port, {**env, **codec.env}))

        ready = Ready(
            api=_http(port["api_port"]),
            api_inner=_http(port["api_inner_port"]),
            feed=_http(port["feed_port"]),
            feed_inner=_http(port["feed_inner_port"]),
            temporal=temporal.address,
            temporal_ui=_http(port["temporal_ui_port"]),
            codec=codec.url if codec else None,
            database=database.url,
            sandbox_casino=_http(port["sandbox_casino_port"]) if self._with_sandbox else None,
            sandbox_provider=_http(port["sandbox_provider_port"]) if self._with_sandbox else None,
            **accounts,
            workers=[_http(one) for one in worker_ports],
            pids=self._supervisor.pids,
        )
        self._publish(own, {role: {"database_url": database.url_of(role)} for role in DATABASE_ROLES}, ready)
        return ready

    def _worker_ports(self, taken: dict[str, int]) -> list[int]:
        """Return a port for each worker: that of the settings and those behind it, else free ones."""
        first = self._settings.worker_metrics_port or 0
        wanted = {f"worker_metrics_port + {number}": first and first + number for number in range(self._processes)}
        return [*ports.settle(wanted, avoid=taken.values()).values()]

    async def _start_ours(
        self, port: dict[str, int], worker_ports: list[int], env: Env, roles: dict[str, Env]
    ) -> dict[str, Any]:
        names = [f"worker-{number}" for number in range(1, self._processes + 1)]
        given = zip(names, worker_ports, strict=True)
        workers = [ours.worker(name, own_port, await self._wire(name, roles["worker"])) for name, own_port in given]
        api = ours.api(port["api_port"], port["api_inner_port"], await self._wire("api", roles["api"]))
        feed = ours.feed(port["feed_port"], port["feed_inner_port"], await self._wire("feed", roles["feed"]))
        services = [*workers, api, feed]
        if not self._with_sandbox:
            await self._supervisor.start(*services)
            return dict.fromkeys(sandbox.Sandbox.__dataclass_fields__)
        casino = sandbox.casino(port["sandbox_casino_port"], await self._wire("sandbox-casino", roles["sandbox"]))
        provider = sandbox.provider(port["sandbox_provider_port"], await self._wire("sandbox-provider", env))
        await self._supervisor.start(casino, *services, provider)
        return asdict(await sandbox.prepare(self._folder, roles["ops"]))

    def _wants(self, name: str) -> bool:
        if name.startswith("codec"):
            return self._settings.temporal_payload_key is not None
        return self._with_sandbox or not name.startswith("sandbox")

    def _codec_endpoint(self, port: Mapping[str, int]) -> CodecEndpoint | None:
        """Return the endpoint of a codec server; None without a payload key, because everything is readable then."""
        if "codec_port" not in port:
            return None
        return new_endpoint(_http(port["codec_port"]), port["temporal_ui_port"])

    def _key(self) -> str:
        given = self._settings.secret_key
        return given.get_secret_value() if given else self._folder.keys()["secret_key"]

    def _publish(self, own: dict[str, Any], processes: dict[str, dict[str, str]], ready: Ready) -> None:
        """Publish what other commands need: all settings of this stack, its own ports, addresses and keys, and what
        differs from one kind of process to another."""
        given = {name: _plain(getattr(self._settings, name)) for name in self._settings.model_fields_set - {*_OWN}}
        stack = {"pid": os.getpid(), "settings": given | own, "processes": processes, "ready": asdict(ready)}
        self._folder.publish(stack)


def _variable(name: str) -> str:
    return f"BETCORE_{name.upper()}"


def _http(port: int) -> str:
    return f"http://{ports.HOST}:{port}"


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value
