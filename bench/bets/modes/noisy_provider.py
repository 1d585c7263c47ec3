"""Bets of a provider that sends few calls, alone and beside one that sends hundreds of refused ones a second."""

import asyncio
import json
from argparse import ArgumentParser, Namespace
from collections import Counter
from contextlib import AsyncExitStack

from bench import harness
from bench.bets.options import add_load_options, add_round_options, play_chosen_loads
from bench.bets.partners import Account, partners_of
from bench.bets.processes import Watch
from bench.bets.provider_calls import ProviderCalls
from bench.bets.ratios import ratios_to
from bench.bets.stacks import running_stack
from bench.bets.workload import BetKind, PlayedBet, Target
from betcore.casino.http_session import http_session

_ALONE = "alone"
_LIMITED, _UNLIMITED = "beside a noisy provider", "beside one without a limit"


class BesideNoisyProvider:
    """The service as a target of the quiet provider, while the noisy one sends calls that are refused."""

    def __init__(self, name: str, quiet: ProviderCalls, api: str, noisy: Account, rate: float) -> None:
        self.name = name
        self.pids = quiet.pids
        self.own = quiet.own
        self.heard: Counter[str] = Counter()
        self._quiet = quiet
        self._environment = {
            "BENCH_API": api,
            "BENCH_COUNTERPARTY": noisy.counterparty_id,
            "BENCH_SECRET": noisy.secret,
            "BENCH_RATE": str(rate),
        }

    async def play(self, kind: BetKind, in_flight: int, stop: asyncio.Event) -> list[PlayedBet]:
        """Play for the quiet provider until ``stop`` is set."""
        async with harness.child("bench.bets.noise", **self._environment) as noise:
            played = await self._quiet.play(kind, in_flight, stop)
        assert noise.process.stdout is not None  # noqa: S101  for mypy: a pipe was asked for
        self.heard.update(json.loads(await noise.process.stdout.read()))
        return played


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    parser.add_argument("--noise", type=float, default=500, help="refused calls a second of the noisy provider")
    parser.add_argument("--limit", type=int, default=50, help="calls a second that its profile allows")
    add_round_options(parser, seconds=10, ramp=3)
    add_load_options(parser, 2)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure the quiet provider's bets with and without the noise, in turn."""
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        stack = await running.enter_async_context(running_stack(watch))
        partners = await running.enter_async_context(partners_of(stack, http))
        quiet = partners.calls(await partners.sandbox_casino("quiet", options.confirmation), _ALONE)
        limited = f"rate: {{per_second: {options.limit}, burst: {2 * options.limit}}}"
        beside = [
            BesideNoisyProvider(name, quiet, partners.api, await partners.provider("noisy", profile), options.noise)
            for name, profile in ((_LIMITED, limited), (_UNLIMITED, "rate: none"))
        ]
        targets: list[Target] = [quiet, *beside]
        results = await play_chosen_loads(targets, options, watch, warm=[quiet])
    return {
        "rows": results.rows(),
        "ratios": ratios_to(_ALONE, results),
        "answers_to_the_noisy_provider": {one.name: dict(one.heard) for one in beside},
    }
