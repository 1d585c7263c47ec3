"""Bets at a fast casino, alone and beside a casino that takes seconds to answer."""

import asyncio
from argparse import ArgumentParser, Namespace
from collections import Counter
from contextlib import AsyncExitStack

from bench.bets.options import add_load_options, add_round_options, play_chosen_loads
from bench.bets.partners import partners_of
from bench.bets.processes import Watch
from bench.bets.provider_calls import ProviderCalls
from bench.bets.ratios import ratios_to
from bench.bets.stacks import running_stack
from bench.bets.workload import BetKind, PlayedBet, Target
from betcore.casino.http_session import http_session

_ALONE, _BESIDE = "alone", "beside a slow casino"
# A player whose bet is refused or of unknown outcome does not bet again at once: the load that these players add must
# stay small, for the question is what the slowness costs the others.
_PAUSE = 4.0
_NEVER = "breaker: {failures: 1000000}"


class BesideSlowCasino:
    """The service as a target, while other players call a casino that is slow."""

    name = _BESIDE

    def __init__(self, fast: ProviderCalls, slow: ProviderCalls, callers: int) -> None:
        self.pids = fast.pids
        self.own = fast.own
        self.heard: Counter[str] = Counter()
        self._fast = fast
        self._slow = slow
        self._callers = callers

    async def play(self, kind: BetKind, in_flight: int, stop: asyncio.Event) -> list[PlayedBet]:
        """Play at the fast casino until ``stop`` is set, and beside it at the slow one."""
        callers = [asyncio.create_task(self._call(stop)) for _ in range(self._callers)]
        try:
            played = await self._fast.play(kind, in_flight, stop)
            # What they have begun must not burden the next measurement.
            await asyncio.gather(*callers)
        finally:
            for caller in callers:
                caller.cancel()
        return played

    async def _call(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            answer = await self._slow.client.send(self._slow.calls(BetKind.TWO_STEP)[0])
            self.heard[f"{answer.code} {answer.reason}".strip()] += 1
            await asyncio.sleep(_PAUSE)


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    parser.add_argument("--callers", type=int, default=12, help="players at the slow casino")
    parser.add_argument("--delay", type=float, default=10, help="seconds that the slow casino takes")
    parser.add_argument("--without-breaker", action="store_true", help="its circuit breaker never opens")
    add_round_options(parser, ramp=3)
    add_load_options(parser, 8, 16)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure the fast casino's bets with and without the slow casino, in turn."""
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        stack = await running.enter_async_context(running_stack(watch))
        partners = await running.enter_async_context(partners_of(stack, http))
        alone = partners.calls(await partners.sandbox_casino("fast", options.confirmation), _ALONE)
        sleepy = await partners.sandbox_casino("slow", profile=_NEVER if options.without_breaker else "")
        await partners.control(sleepy.client_id).set_faults({"kind": "delay", "delay": options.delay})
        beside = BesideSlowCasino(alone, partners.calls(sleepy, "slow"), options.callers)
        targets: list[Target] = [alone, beside]
        results = await play_chosen_loads(targets, options, watch, warm=[alone])
    return {
        "rows": results.rows(),
        "ratios": ratios_to(_ALONE, results),
        "answers_at_the_slow_casino": dict(beside.heard),
    }
