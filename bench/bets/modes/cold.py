"""Bets that no worker has in memory when their PayOut comes, beside bets that one has.

Between PayIn and PayOut of a bet so many others are opened that the cache of the cold stack's worker has dropped it:
its workflow is replayed from its history. The other stack gets the same calls, with room for all in its cache.
"""

import asyncio
import time
from argparse import ArgumentParser, Namespace
from collections import deque

from bench.bets.modes.variants import compare_variants
from bench.bets.options import add_load_options, add_round_options
from bench.bets.processes import Watch
from bench.bets.provider_calls import ProviderCalls
from bench.bets.stacks import StackOptions
from bench.bets.workload import BetKind, PlayedBet, keep_in_flight
from devkit.sandbox.provider.client import Answer, Call

# Bets that are open between the calls of one, and workflows that the cold worker keeps. With less room than bets are in
# flight they would wait for it, and without any the SDK cancels local activities and runs them again.
_OPEN, _CACHED = 96, 32


class LatePayOuts:
    """The service as a target: a PayIn, and then the PayOut of the bet that was opened longest ago."""

    def __init__(self, service: ProviderCalls) -> None:
        self.name = service.name
        self.pids = service.pids
        self.own = service.own
        self._service = service
        self._pay_outs: deque[Call] = deque()

    async def play(self, kind: BetKind, in_flight: int, stop: asyncio.Event) -> list[PlayedBet]:
        """Open bets until enough are open, and then keep this number of calls in flight until ``stop`` is set."""
        while len(self._pay_outs) < _OPEN:
            await asyncio.gather(*(self._open() for _ in range(in_flight)))
        return await keep_in_flight(self._bet, kind, in_flight, stop)

    async def _bet(self, kind: BetKind) -> PlayedBet:
        opened, answers = await self._open()
        settled, more = await self._service.timed(self._pay_outs.popleft())
        return PlayedBet(time.monotonic(), (opened, settled), len(answers) + len(more) - 2)

    async def _open(self) -> tuple[float, list[Answer]]:
        pay_in, pay_out = self._service.calls(BetKind.TWO_STEP)
        found = await self._service.timed(pay_in)
        self._pay_outs.append(pay_out)
        return found


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    add_round_options(parser)
    add_load_options(parser, 8, kinds=None)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure both stacks in turn."""
    few_cached = {"BETCORE_WORKER_MAX_CACHED_WORKFLOWS": str(_CACHED)}
    variants = {"warm": StackOptions(), "cold": StackOptions(variables=few_cached)}
    return await compare_variants(variants, options, watch, target_of=LatePayOuts)
