"""Credits that are owed after a casino's outage: how fast they drain once it is back."""

import asyncio
import time
from argparse import ArgumentParser, Namespace
from contextlib import AsyncExitStack

import asyncpg

from bench.bets.options import add_processes
from bench.bets.partners import partners_of
from bench.bets.processes import Watch, cpu_seconds
from bench.bets.provider_calls import ProviderCalls
from bench.bets.rounds import say
from bench.bets.stacks import StackOptions, running_stack
from bench.bets.workload import BetKind
from betcore.casino.http_session import http_session
from devkit.sandbox.provider.client import Call

_LOOK_EVERY, _PATIENCE = 1.0, 1800.0
_AT_ONCE_AT_FIRST, _AT_ONCE_OWED = 16, 64
_DOWN = {"kind": "error", "status": 503, "path": "/payments/make"}
_OWED = """
SELECT count(*) FROM bet JOIN casino USING (casino_id) WHERE casino.name = $1 AND bet.closed_at IS NULL
"""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    parser.add_argument("--credits", type=int, default=2000, help="wins that come while the casino is down")
    parser.add_argument("--outage", type=float, default=0, help="seconds that it stays down after the last of them")
    add_processes(parser)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Take stakes, let the casino fail, send the wins, mend it, and wait until all are paid."""
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        stack = await running.enter_async_context(running_stack(watch, StackOptions(processes=options.processes)))
        partners = await running.enter_async_context(partners_of(stack, http))
        casino = await partners.sandbox_casino("down")
        database = await asyncpg.connect(stack.ready.database)
        running.push_async_callback(database.close)
        service, handles = partners.calls(casino), partners.control(casino.client_id)
        wins = await _take_stakes(service, options.credits)
        say(f"{len(wins)} bets are open")
        await handles.set_faults(_DOWN)
        await _send(service, wins)
        await asyncio.sleep(options.outage)
        owed = await database.fetchval(_OWED, casino.name)
        say(f"{owed} credits are owed, and the casino is back")
        await handles.set_faults()
        before, began = cpu_seconds(service.pids), time.monotonic()
        left = await watch.within(_PATIENCE, _drain(database, casino.name))
        seconds = time.monotonic() - began
        spent = {name: (value - before[name]) * 1000 / owed for name, value in cpu_seconds(service.pids).items()}
    return {
        "drained": {"owed": owed, "seconds": round(seconds, 1), "credits_per_s": round(owed / seconds, 1)},
        "cpu_ms_a_credit": {name: round(value, 1) for name, value in spent.items()},
        "left_by_second": left,
    }


async def _take_stakes(service: ProviderCalls, number: int) -> list[Call]:
    """Open bets, and return the PayOut of each."""
    bets = [service.calls(BetKind.TWO_STEP) for _ in range(number)]
    left = iter(bets)

    async def place() -> None:
        for pay_in, _ in left:
            await service.until_definite(pay_in)

    await asyncio.gather(*(place() for _ in range(_AT_ONCE_AT_FIRST)))
    return [pay_out for _, pay_out in bets]


async def _send(service: ProviderCalls, calls: list[Call]) -> None:
    """Send each call once: its outcome stays unknown, for the service owes it from then on."""
    left = iter(calls)

    async def place() -> None:
        for call in left:
            await service.client.send(call)

    await asyncio.gather(*(place() for _ in range(_AT_ONCE_OWED)))


async def _drain(database: asyncpg.Connection, casino: str) -> list[int]:
    """Return how many credits were left at every second, when none is."""
    left = []
    while owed := int(await database.fetchval(_OWED, casino)):
        left.append(owed)
        await asyncio.sleep(_LOOK_EVERY)
    return left
