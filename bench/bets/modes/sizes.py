"""Bytes that a bet leaves: in each of our tables, in the log, and in Temporal's store."""

import asyncio
import os
from argparse import ArgumentParser, Namespace
from collections import Counter
from contextlib import AsyncExitStack

import asyncpg

from bench.bets import temporal_store
from bench.bets.counts import history_bytes
from bench.bets.options import add_processes
from bench.bets.partners import partners_of
from bench.bets.processes import Watch
from bench.bets.provider_calls import ProviderCalls
from bench.bets.rounds import say
from bench.bets.stacks import RunningStack, StackOptions, running_stack
from bench.bets.workload import BetKind
from betcore.casino.http_session import http_session

# Variables with the addresses of Temporal's databases, if it runs on a PostgreSQL elsewhere.
_STORES = ("BENCH_TEMPORAL_DATABASE", "BENCH_TEMPORAL_VISIBILITY")
_IN_FLIGHT = 8
# Until Temporal has written what has ended into its list.
_WRITTEN = 8.0
_TABLES = ("bet", "movement", "bet_event")
_SIZES = """
SELECT CASE WHEN relname = ANY($1::text[]) THEN relname::text ELSE 'our_others' END, pg_total_relation_size(oid)
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
_LOG = "SELECT wal_bytes::bigint, wal_fpi FROM pg_stat_wal"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    parser.add_argument("--bets", type=int, default=1000, help="bets of each kind, at each kind of casino")
    add_processes(parser)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Play bets of each kind, and return by how many bytes one of them has let everything grow."""
    found: dict[str, dict[str, float]] = {}
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        stack = await running.enter_async_context(running_stack(watch, StackOptions(processes=options.processes)))
        partners = await running.enter_async_context(partners_of(stack, http))
        database = await asyncpg.connect(stack.ready.database)
        running.push_async_callback(database.close)
        for confirmation in ("reply", "accept"):
            casino = await partners.sandbox_casino(f"sizes-{confirmation}", confirmation)
            service = partners.calls(casino)
            for kind in BetKind:
                # The first bets let each table and index have its first pages.
                await _play(service, kind, _IN_FLIGHT * 4)
                grown = await _grown(stack, database, service, kind, options.bets)
                grown["history_protobuf"] = await history_bytes(stack, casino.name, kind)
                found[f"{kind} by {confirmation}"] = grown
                say(f"{kind} by {confirmation}: {grown}")
    return {"sizes": found}


async def _grown(
    stack: RunningStack, database: asyncpg.Connection, service: ProviderCalls, kind: BetKind, bets: int
) -> dict[str, float]:
    """Play bets, and return the bytes of one of them."""
    await asyncio.sleep(_WRITTEN)
    # From here on each page is written whole the first time, as after every checkpoint.
    await database.execute("CHECKPOINT")
    before = await _bytes(stack, database)
    await _play(service, kind, bets)
    await asyncio.sleep(_WRITTEN)
    after = await _bytes(stack, database)
    return {name: round((after[name] - before[name]) / bets, 1) for name in after}


async def _play(service: ProviderCalls, kind: BetKind, bets: int) -> None:
    left = iter(range(bets))

    async def place() -> None:
        for _ in left:
            await service.bet(kind)

    await asyncio.gather(*(place() for _ in range(_IN_FLIGHT)))


async def _bytes(stack: RunningStack, database: asyncpg.Connection) -> Counter[str]:
    found = Counter[str]()
    for name, size in await database.fetch(_SIZES, _TABLES):
        found[name] += size
    found["ours"] = sum(found.values())
    found["log"], found["log_pages"] = await database.fetchrow(_LOG)
    return found + await _temporal(stack)


async def _temporal(stack: RunningStack) -> temporal_store.Bytes:
    """Return the bytes of Temporal's store; of a server elsewhere, if its databases are named."""
    if "temporal" in stack.ready.pids:
        return await asyncio.to_thread(temporal_store.of_file, stack.settings.data_dir / "temporal.db")
    return await temporal_store.of_databases([os.environ[name] for name in _STORES if name in os.environ])
