"""What attackers at the port take from honest callers: their bets without and beside them, in turn, in one run.

Runs a whole stack as ``up`` does, whose sandbox provider bets at a steady rate, and attackers in a process of their
own: idle connections, dripping ones, and large bodies without a secret. Prints one JSON object.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import psutil

from bench import harness
from bench.bets.partners import partners_of
from bench.bets.processes import Watch
from bench.bets.provider_calls import ProviderCalls
from bench.bets.rounds import warm_up
from bench.bets.stacks import StackOptions, running_stack
from bench.bets.workload import BetKind
from betcore.casino.http_session import http_session

# Players that wait for a turn: far more than bets are in flight at once.
_PLAYERS = 200
# Seconds in which attackers have come to their pace before the measuring begins.
_SETTLE = 11


async def main(given: argparse.Namespace) -> dict[str, Any]:
    """Measure pairs of windows, one without and one beside the attackers."""
    pairs = []
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        stack = await running.enter_async_context(running_stack(watch := Watch(), StackOptions()))
        partners = await running.enter_async_context(partners_of(stack, http, _PLAYERS))
        service = partners.calls(await partners.sandbox_casino("edge"))
        sorting = await partners.provider("sorting", "signature: raw_or_sorted")
        await warm_up([service], [BetKind.TWO_STEP], watch)
        api = psutil.Process(stack.ready.pids["api"])
        about = {
            "port": urlsplit(stack.ready.api).port,
            "counterparty_id": sorting.counterparty_id,
            "idle": given.idle,
            "dripping": given.dripping,
            "large": given.large,
            "seconds": _SETTLE + given.seconds,
        }
        for number in range(given.rounds):
            without = await _honest(service, api, given)
            async with harness.child("bench.edge_attackers", json.dumps(about)) as attackers:
                await asyncio.sleep(_SETTLE)
                beside = await _honest(service, api, given)
                held = await harness.figures(attackers)
            pairs.append({"without": without, "beside": beside, "attackers": held})
            print(f"round {number + 1}: {pairs[-1]}", file=sys.stderr)
    return {
        "cores": os.cpu_count(),
        "load_of_the_machine": os.getloadavg(),
        **{name: getattr(given, name) for name in ("idle", "dripping", "large", "rate", "seconds", "rounds")},
        "p99_ratio": _ratio(pairs, "p99_ms"),
        "p50_ratio": _ratio(pairs, "p50_ms"),
        "pairs": pairs,
    }


async def _honest(service: ProviderCalls, api: psutil.Process, given: argparse.Namespace) -> dict[str, float]:
    """Start bets of two calls at a steady rate, and return the percentiles of their calls in milliseconds."""
    cpu, began, bets = _cpu(api), time.monotonic(), []
    for number in range(round(given.rate * given.seconds)):
        await asyncio.sleep(max(began + number / given.rate - time.monotonic(), 0))
        bets.append(asyncio.create_task(service.bet(BetKind.TWO_STEP)))
    played = await asyncio.gather(*bets)
    took = sorted(one for bet in played for one in bet.milliseconds)
    cuts = statistics.quantiles(took, n=100)
    return {
        "calls": len(took),
        "unknown": sum(bet.unknown for bet in played),
        "p50_ms": round(cuts[49], 1),
        "p99_ms": round(cuts[98], 1),
        "api_cpu_percent": round(100 * (_cpu(api) - cpu) / (time.monotonic() - began)),
        "api_mib": round(api.memory_info().rss / 2**20),
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _ratio(pairs: list[dict[str, Any]], figure: str) -> dict[str, float]:
    """Return by how much a figure grows beside attackers: in each pair, and the median of them."""
    ratios = [pair["beside"][figure] / pair["without"][figure] for pair in pairs]
    return {"median": round(statistics.median(ratios), 2), "most": round(max(ratios), 2)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=5000, help="connections that send nothing")
    parser.add_argument("--dripping", type=int, default=2000, help="connections that send a byte a second")
    parser.add_argument("--large", type=int, default=30, help="callers with large bodies and no secret")
    parser.add_argument("--rate", type=float, default=10, help="honest bets a second")
    parser.add_argument("--seconds", type=int, default=15, help="of each window")
    parser.add_argument("--rounds", type=int, default=4, help="pairs of windows")
    print(json.dumps(asyncio.run(main(parser.parse_args())), indent=1))
