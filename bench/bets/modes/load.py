"""Keeps one stack busy, for a profiler: prints the pids, and plays until the time is over."""

import json
from argparse import ArgumentParser, Namespace
from contextlib import AsyncExitStack

from bench.bets.options import add_load_options, add_processes, add_round_options, loads_of, window_of
from bench.bets.partners import partners_of
from bench.bets.processes import Watch, memory_mib
from bench.bets.rounds import play_rounds, say, warm_up
from bench.bets.stacks import StackOptions, running_stack
from betcore.casino.http_session import http_session


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    add_processes(parser)
    add_round_options(parser, rounds=1, seconds=60)
    add_load_options(parser, 8)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Play, and return the figures."""
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        stack = await running.enter_async_context(running_stack(watch, StackOptions(processes=options.processes)))
        partners = await running.enter_async_context(partners_of(stack, http))
        service = partners.calls(await partners.sandbox_casino("bench", options.confirmation))
        loads = loads_of(options)
        await warm_up([service], dict.fromkeys(load.kind for load in loads), watch)
        say(f"under load now: {json.dumps(stack.ready.pids)}")
        plan = {load: [service] for load in loads}
        results = await play_rounds(plan, options.rounds, window_of(options), watch)
        return {"rows": results.rows(), "memory_mib": {service.name: memory_mib(service.pids)}}
