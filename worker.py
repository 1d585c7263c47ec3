"""The worker process: composition root. Runs bets, and pursues at the casinos what had no definite answer."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import aiohttp
import structlog
from prometheus_client import start_http_server
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.bets import BetRows
from activities.wallet import Wallet
from betcore.clients.casino import CasinoClient
from betcore.clients.temporal import connect
from betcore.db.bets import Bets
from betcore.db.engine import create_engine
from betcore.db.partners import Partners
from betcore.db.signing_keys import SigningKeys
from betcore.ids import BETS_QUEUE, WALLET_QUEUE
from betcore.logs import configure
from betcore.settings import Settings
from betcore.vault import Vault
from workflows.bet import Bet

# Longer than the longest activity, so that a stop does not cut a call at a casino.
_GRACE = timedelta(seconds=15)
# A bet that sat in the memory of a worker that died is given to another one after this.
_STICKY = timedelta(seconds=2)


def workers(client: Client, wallet: Wallet, rows: BetRows, *, sandbox: bool) -> list[Worker]:
    """The two workers of a process: bets with their fast lane, and the slow lane on a queue of its own."""
    fast: list[Callable[..., Any]] = [wallet.try_stake, wallet.try_credit, rows.withdraw]
    slow: list[Callable[..., Any]] = [
        wallet.pursue_stake,
        wallet.find_stake,
        wallet.pursue_credit,
        wallet.close_at_casino,
        rows.file_incident,
    ]
    bets = Worker(
        client,
        task_queue=BETS_QUEUE,
        workflows=[Bet],
        activities=fast,
        workflow_runner=SandboxedWorkflowRunner() if sandbox else UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=_STICKY,
        graceful_shutdown_timeout=_GRACE,
    )
    pursuit = Worker(client, task_queue=WALLET_QUEUE, activities=slow, graceful_shutdown_timeout=_GRACE)
    return [bets, pursuit]


async def main() -> None:
    """Run until SIGINT or SIGTERM."""
    settings = Settings()
    configure(settings)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        engine = create_engine(settings)
        stack.push_async_callback(engine.dispose)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        vault = Vault.of(settings)
        keys = SigningKeys(engine, vault, settings.partner_cache_seconds)
        partners = Partners(engine, vault, settings.partner_cache_seconds)
        bets = Bets(engine)
        wallet = Wallet(bets, partners, CasinoClient(http, keys, settings.issuer))
        client = await connect(settings)
        if settings.worker_metrics_port:
            start_http_server(settings.worker_metrics_port, addr="127.0.0.1")
        for worker in workers(client, wallet, BetRows(bets), sandbox=settings.workflow_sandbox):
            await stack.enter_async_context(worker)
        structlog.get_logger().info("worker ready")
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
