"""What the feed costs: many clients on one process and on two, at two frames a second.

Runs an embedded PostgreSQL with a live game, feed processes as ``up`` starts them, and the clients in processes of
their own. Prints one JSON object. ``make bench ARGS=readers`` asks what clients take from bets.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench import harness
from betcore.db.engine import create_engine
from betcore.db.onboarding import Onboarding
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from devkit.stack import ours, ports, postgres
from devkit.stack.folder import Folder
from devkit.stack.supervisor import Supervisor

_TOKEN = "/partnersmediator-service/api/v2/auth/token"  # noqa: S105  (a path)
# A game in which bets are taken, after some rounds: what a frame holds of them.
_GAME = (
    """
    INSERT INTO live_game (game_type, provider_id, name_key, betting_seconds)
    SELECT 1, provider_id, 'draw', 12 FROM provider
    """,
    """
    INSERT INTO live_round (game_type, edition, provider_id, round_id, state, play_status, announced_at, started_at,
                            betting_closes_at, finished_at, results)
    SELECT 1, n, provider_id, 'draw-20261127-' || n, CASE n WHEN 5 THEN 'active' ELSE 'finished' END,
           CASE n WHEN 5 THEN 'betting' END, now(), now(), now() + interval '1 hour',
           CASE WHEN n < 5 THEN now() END, CASE WHEN n < 5 THEN '[7, 55, 12, 31, 4]'::jsonb END
    FROM provider, generate_series(1, 5) AS n
    """,
)
# All clients come from one address, and are one casino's.
_LIMITS = {
    "BETCORE_FEED_CALLS_PER_SECOND": "1000000",
    "BETCORE_FEED_CONNECTIONS": "10000",
    "BETCORE_FEED_CONNECTIONS_PER_CASINO": "10000",
    "BETCORE_PARTNER_CACHE_SECONDS": "2",
}


async def main(rounds: Sequence[tuple[int, int]], seconds: float) -> dict[str, Any]:
    """Measure each number of clients on its number of feed processes."""
    _allow_files()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with postgres.running(Path(folder), options={"fsync": "off"}) as url:
            key = Fernet.generate_key().decode()
            settings = Settings(database_url=SecretStr(url), secret_key=SecretStr(key))
            engine = create_engine(settings)
            try:
                account = await _prepare(engine, settings)
            finally:
                await engine.dispose()
            environment = {"BETCORE_DATABASE_URL": url, "BETCORE_SECRET_KEY": key, **_LIMITS}
            measured = []
            for clients, processes in rounds:
                async with _feeds(Path(folder) / f"feed-{clients}", processes, environment) as running:
                    measured.append(await _measure(running, account, clients, seconds))
                    print(measured[-1], file=sys.stderr)
    return {"cores": os.cpu_count(), "seconds": seconds, "measured": measured}


def _allow_files() -> None:
    """Let this process and its children open as many files as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _prepare(engine: AsyncEngine, settings: Settings) -> dict[str, object]:
    await harness.prepare(engine, settings, "http://127.0.0.1:1", "{rate: none}")
    async with engine.begin() as connection:
        for query in _GAME:
            await connection.execute(text(query))
        client_id = await connection.scalar(text("SELECT partner_client_id FROM casino"))
    secret = await Onboarding(engine, Vault.of(settings)).secret("casino", "c")
    return {"PartnerClientId": client_id, "Secret": secret}


@asynccontextmanager
async def _feeds(folder: Path, processes: int, environment: dict[str, str]) -> AsyncIterator[dict[int, int]]:
    """Run feed processes; yield their ports, each with its pid."""
    chosen, inner = ports.free(processes), ports.free(processes)
    data = Folder(folder)
    with data.locked():
        async with Supervisor(data) as supervisor:
            environment = {**environment, "BETCORE_DATA_DIR": str(folder)}
            names = [f"feed-{port}" for port in chosen]
            services = [
                ours.feed(port, beside, environment, name)
                for port, beside, name in zip(chosen, inner, names, strict=True)
            ]
            await supervisor.start(*services)
            yield {port: supervisor.pids[name] for port, name in zip(chosen, names, strict=True)}


async def _measure(running: dict[int, int], account: dict[str, object], clients: int, seconds: float) -> dict[str, Any]:
    """Connect the clients, and return lateness, and CPU and memory of the feed processes."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{next(iter(running))}{_TOKEN}", json=account) as answer,
    ):
        token = (await answer.json())["Value"]["AccessToken"]
    watched = [psutil.Process(pid) for pid in running.values()]
    before = sum(one.memory_info().rss for one in watched)
    about = {
        "ports": list(running),
        "token": token,
        "client_id": account["PartnerClientId"],
        "game_type": 1,
        "clients": clients,
        "seconds": seconds,
    }
    async with harness.child("bench.feed_clients", json.dumps(about)) as child:
        cpu = sum(_cpu(one) for one in watched)
        found = await harness.figures(child)
        spent = sum(_cpu(one) for one in watched) - cpu
        memory = sum(one.memory_info().rss for one in watched) - before
    return {
        "processes": len(running),
        **found,
        "cpu_percent_of_a_core": round(100 * spent / seconds),
        "cpu_us_a_frame": round(1e6 * spent / found["frames"], 1),
        "kib_a_client": round(memory / clients / 1024, 1),
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _round(given: str) -> tuple[int, int]:
    clients, _, processes = given.partition("x")
    return int(clients), int(processes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="*", type=_round, help="such as 2000x1 5000x2: clients on feed processes")
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(main(given.rounds or [(2000, 1), (5000, 2)], given.seconds)), indent=1))
