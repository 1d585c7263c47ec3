"""The service beside its three floors, on the same servers, in the same run."""

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import asyncpg

from bench.bets.counts import BetCounts, histories, table_bytes
from bench.bets.floors.bare import BareFloor, bare_floor
from bench.bets.floors.equal import equal_floor
from bench.bets.floors.lean import LeanFloor, lean_floor
from bench.bets.options import add_processes, add_round_options, window_of
from bench.bets.partners import PLAYERS, SeatedCasino, partners_of
from bench.bets.processes import Watch, cpu_seconds, memory_mib
from bench.bets.provider_calls import ProviderCalls
from bench.bets.rounds import Load, Plan, play_rounds, say, warm_up
from bench.bets.stacks import RunningStack, StackOptions, running_stack
from bench.bets.verdicts import verdicts
from bench.bets.workload import BetKind, Target
from betcore.casino.http_session import http_session

_IDLE_SECONDS = 5.0
# What a short run measures: the loads of the targets, and one load for everything else. A full run measures all.
_SHORT = {"two_step": (1, 8, 16), "one_step": (8,), "accept": (8,)}
_FULL = (1, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Compared:
    """The targets of a comparison: the service, at both kinds of casino, and its floors."""

    casino: SeatedCasino
    service: ProviderCalls
    by_accept: ProviderCalls
    equal: ProviderCalls
    bare: BareFloor
    lean: LeanFloor


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    parser.add_argument("--full", action="store_true", help="all loads: 1, 4, 8, 16 and 32 bets in flight, every kind")
    add_processes(parser)
    add_round_options(parser)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure, count, and return everything that a result keeps."""
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        stack = await running.enter_async_context(running_stack(watch, StackOptions(processes=options.processes)))
        compared = await running.enter_async_context(targets_on(stack, http, watch))
        database = await asyncpg.connect(stack.ready.database)
        running.push_async_callback(database.close)
        idle = await _idle(compared.service)
        size, bets = await table_bytes(database), await _bets(database)
        plan = _plan(compared, full=options.full)
        await warm_up({id(t): t for targets in plan.values() for t in targets}.values(), BetKind, watch)
        results = await play_rounds(plan, options.rounds, window_of(options), watch)
        grown = (await table_bytes(database) - size) / (await _bets(database) - bets)
        memory = {target.name: memory_mib(target.pids) for target in (compared.service, compared.equal, compared.lean)}
        counts = BetCounts(stack, database, http)
        counted = await counts.of_each_kind(compared.service.bet, compared.casino)
        return {
            "rows": results.rows(),
            "verdicts": [one.row() for one in verdicts(results)],
            "counts": counted,
            "histories": await histories(stack),
            "table_bytes_a_bet": round(grown),
            "idle_cpu_percent": idle,
            "memory_mib": memory,
        }


@asynccontextmanager
async def targets_on(
    stack: RunningStack, http: aiohttp.ClientSession, watch: Watch, players: int = PLAYERS
) -> AsyncIterator[Compared]:
    """Onboard the casinos at a stack, and run the floors on its servers."""
    async with AsyncExitStack() as running:
        partners = await running.enter_async_context(partners_of(stack, http, players))
        casino = await partners.sandbox_casino("reply")
        accepting = await partners.sandbox_casino("accept", "accept")
        say("the stack is up")
        # Each is mostly busy with loading code: at once they use all cores for it.
        async with asyncio.TaskGroup() as starting:
            equal = starting.create_task(running.enter_async_context(equal_floor(stack, http, watch)))
            bare = starting.create_task(running.enter_async_context(bare_floor(stack, watch)))
            lean = starting.create_task(running.enter_async_context(lean_floor(stack, casino, http, watch)))
        calls = partners.calls(casino), partners.calls(accepting)
        yield Compared(casino, *calls, equal.result(), bare.result(), lean.result())


def _plan(compared: Compared, *, full: bool) -> Plan:
    """Return which targets are measured under which load. The floors do not know how a casino confirms."""
    everyone: list[Target] = [compared.service, compared.equal, compared.lean, compared.bare]
    plan: dict[Load, Sequence[Target]] = {}
    for kind in BetKind:
        for in_flight in _FULL if full else _SHORT[kind]:
            plan[Load("reply", kind, in_flight)] = everyone
    for kind in BetKind:
        for in_flight in _FULL if full else _SHORT["accept"]:
            plan[Load("accept", kind, in_flight)] = [compared.by_accept]
    return plan


async def _idle(service: ProviderCalls) -> dict[str, float]:
    """Return the CPU that each kind of process uses while nothing happens, in percent of one core."""
    before = cpu_seconds(service.pids)
    await asyncio.sleep(_IDLE_SECONDS)
    after = cpu_seconds(service.pids)
    return {name: round((after[name] - before[name]) / _IDLE_SECONDS * 100, 1) for name in after}


async def _bets(database: asyncpg.Connection) -> int:
    return int(await database.fetchval("SELECT count(*) FROM bet"))
