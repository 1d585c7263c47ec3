"""Our processes and the sandbox partners, on servers elsewhere that the settings of the environment name."""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from betcore.runtime.settings import Settings
from devkit.stack import ours, ports, sandbox
from devkit.stack.folder import Folder
from devkit.stack.process import Service, run_once
from devkit.stack.supervisor import Supervisor
from devkit.stack.up import Ready

_PORTS = ("api_port", "api_inner_port", "sandbox_casino_port", "sandbox_provider_port")


@asynccontextmanager
async def our_processes(
    path: Path, processes: int, variables: Mapping[str, str]
) -> AsyncIterator[tuple[Ready, dict[str, str]]]:
    """Migrate the database, start API, workers and the sandbox partners; yield them, and the variables to find them.

    What is in the database stays there: use one that is made for this.
    """
    folder = Folder(path)
    settings = Settings(data_dir=path)
    assert settings.database_url and settings.temporal_address  # noqa: S101, PT018  the caller has seen both
    port, worker_ports = ports.settle(dict.fromkeys(_PORTS, 0)), ports.free(processes)
    secret_key = settings.secret_key.get_secret_value() if settings.secret_key else folder.keys()["secret_key"]
    api = f"http://{ports.HOST}:{port['api_port']}"
    env = {f"BETCORE_{name.upper()}": str(value) for name, value in port.items()}
    env |= {"BETCORE_DATA_DIR": str(path), "BETCORE_SECRET_KEY": secret_key, "BETCORE_SANDBOX_AGGREGATOR_URL": api}
    env |= variables
    folder.publish({"pid": os.getpid(), "settings": {**port, "secret_key": secret_key}})
    async with Supervisor(folder) as supervisor:
        migrate = Service("migrate", (sys.executable, "-m", "betcore", "migrate"), env)
        await run_once(migrate, folder.log("migrate"))
        await supervisor.start(
            sandbox.casino(port["sandbox_casino_port"], env),
            *(ours.worker(f"worker-{number}", at, env) for number, at in enumerate(worker_ports, 1)),
            ours.api(port["api_port"], port["api_inner_port"], env),
            sandbox.provider(port["sandbox_provider_port"], env),
        )
        accounts = await sandbox.prepare(folder, env)
        ready = Ready(
            api=api,
            api_inner=f"http://{ports.HOST}:{port['api_inner_port']}",
            feed="",
            feed_inner="",
            temporal=settings.temporal_address,
            temporal_ui="",
            database=settings.database_url.get_secret_value(),
            sandbox_casino=f"http://{ports.HOST}:{port['sandbox_casino_port']}",
            sandbox_provider=f"http://{ports.HOST}:{port['sandbox_provider_port']}",
            **asdict(accounts),
            workers=[f"http://{ports.HOST}:{one}" for one in worker_ports],
            pids=supervisor.pids,
        )
        yield ready, env
