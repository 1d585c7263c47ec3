"""What a sweep over thousands of open bets takes from the bets that are played meanwhile."""

import asyncio
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from temporalio.client import Client

from bench.bets.figures import Figures, cpu_figures, figures_of
from bench.bets.floors.temporal_worker import connect_to
from bench.bets.modes.filled import fill
from bench.bets.modes.pair import variant
from bench.bets.partners import partners_of
from bench.bets.processes import Watch, cpu_seconds
from bench.bets.provider_calls import ProviderCalls
from bench.bets.rounds import Load, Results, say, warm_up
from bench.bets.stacks import StackOptions, own_stack
from bench.bets.verdicts import Verdict
from bench.bets.workload import BetKind, PlayedBet
from betcore.casino.http_session import http_session
from betcore.domain.ids import BETS_QUEUE
from betcore.temporal.schedules import SWEEP

_KIND = BetKind.TWO_STEP
_SLOWER = 0.9
_LONGEST = 300.0


@dataclass(frozen=True, slots=True)
class Swept:
    """A stack with open bets, whose sweeps this mode starts itself."""

    service: ProviderCalls
    temporal: Client

    @property
    def in_a_sweep(self) -> str:
        """Return the name under which its figures during sweeps are kept."""
        return f"{self.service.name}, in a sweep"

    async def sweep(self) -> None:
        """Run one sweep."""
        await self.temporal.execute_workflow("Sweep", id=f"sweep-{time.time_ns()}", task_queue=BETS_QUEUE)


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    default = variant("service=.")
    parser.add_argument("variants", type=variant, nargs="*", default=[default], metavar="NAME=CHECKOUT", help="stacks")
    parser.add_argument("--open", type=int, default=20_000, help="open bets that are copied in, each with a workflow")
    parser.add_argument("--in-flight", type=int, default=16, help="bets at once")
    parser.add_argument("--seconds", type=float, default=8, help="that are measured before each sweep")
    parser.add_argument("--ramp", type=float, default=2, help="seconds under load before bets count")
    parser.add_argument("--rounds", type=int, default=4)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Fill the stacks, and play at each in turn before and during a sweep."""
    async with AsyncExitStack() as running:
        stacks = [await _open(name, made, options, watch, running) for name, made in options.variants]
        await warm_up([one.service for one in stacks], [_KIND], watch)
        results = await _rounds(stacks, options, watch)
    # The path of a checkout means nothing to a reader of the result.
    options.variants = [name for name, _ in options.variants]
    return {"rows": results.rows(), "verdicts": [one.row() for one in _verdicts(stacks, results)]}


async def _open(name: str, made: StackOptions, options: Namespace, watch: Watch, running: AsyncExitStack) -> Swept:
    http = await running.enter_async_context(http_session())
    stack = await running.enter_async_context(own_stack(watch, made))
    temporal = await connect_to(stack.settings)
    await temporal.get_schedule_handle(SWEEP).pause()
    await fill(stack, 0, options.open)
    partners = await running.enter_async_context(partners_of(stack, http))
    return Swept(partners.calls(await partners.sandbox_casino("bench"), name), temporal)


async def _rounds(stacks: list[Swept], options: Namespace, watch: Watch) -> Results:
    results, load = Results(), Load("reply", _KIND, options.in_flight)
    for number in range(options.rounds):
        for stack in stacks if number % 2 == 0 else reversed(stacks):
            whole = options.ramp + options.seconds + _LONGEST
            before, during = await watch.within(whole, _around_a_sweep(stack, options))
            results.add(load, stack.service.name, before)
            results.add(load, stack.in_a_sweep, during)
            rates = f"{before['bets_per_s']:.1f} bets/s, {during['bets_per_s']:.1f} in a sweep"
            say(f"round {number + 1}, {stack.service.name}: {rates} of {during['sweep_s']:.1f} s")
    return results


async def _around_a_sweep(stack: Swept, options: Namespace) -> tuple[Figures, Figures]:
    """Return the figures of the seconds before a sweep, and those of the sweep."""
    stop, played = asyncio.Event(), list[PlayedBet]()

    async def place() -> None:
        while not stop.is_set():
            played.append(await stack.service.bet(_KIND))

    async with asyncio.TaskGroup() as places:
        for _ in range(options.in_flight):
            places.create_task(place())
        await asyncio.sleep(options.ramp)
        began, spent_before = time.monotonic(), cpu_seconds(stack.service.pids)
        await asyncio.sleep(options.seconds)
        swept, spent = time.monotonic(), cpu_seconds(stack.service.pids)
        await stack.sweep()
        ended, spent_after = time.monotonic(), cpu_seconds(stack.service.pids)
        stop.set()
    before = _figures(stack.service, played, began, swept, spent_before, spent)
    during = _figures(stack.service, played, swept, ended, spent, spent_after)
    return before, during | {"sweep_s": ended - swept, "least_bets_in_a_second": _least(played, swept, ended)}


def _figures(
    service: ProviderCalls,
    played: list[PlayedBet],
    began: float,
    ended: float,
    before: Mapping[str, float],
    after: Mapping[str, float],
) -> Figures:
    found = figures_of(_KIND, played, began, ended)
    return found | cpu_figures(before, after, service.own, found["bets"])


def _least(played: list[PlayedBet], began: float, ended: float) -> float:
    """Return the fewest bets that were over in a whole second of this time."""
    seconds = range(int(ended - began)) or [0]
    return float(min(sum(1 for bet in played if 0 <= bet.ended_at - began - at < 1) for at in seconds))


def _verdicts(stacks: list[Swept], results: Results) -> list[Verdict]:
    return [
        Verdict(f"bets/s of {stack.service.name} in a sweep to before it", str(load), _SLOWER, True, ratio)
        for load in results.rounds
        for stack in stacks
        if (ratio := results.ratio(load, "bets_per_s", stack.in_a_sweep, stack.service.name)) is not None
    ]
