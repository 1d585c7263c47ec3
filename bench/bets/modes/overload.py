"""Players who arrive at one, two and three times the capacity: how much of what is answered is of use."""

import time
from argparse import ArgumentParser, Namespace
from contextlib import AsyncExitStack

from bench.bets.figures import Figures, Ratio
from bench.bets.measuring import Window, measure
from bench.bets.open_loop import arrival_figures, arrive
from bench.bets.options import add_round_options, window_of
from bench.bets.partners import partners_of
from bench.bets.processes import Watch, cpu_seconds
from bench.bets.provider_calls import ProviderCalls
from bench.bets.rounds import Load, Results, say, warm_up
from bench.bets.stacks import StackOptions, running_stack
from bench.bets.verdicts import Verdict
from bench.bets.workload import BetKind
from betcore.casino.http_session import http_session

_TWICE, _LIMIT = 2.0, 0.9
_TO_DRAIN = 120.0


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    parser.add_argument("--times", type=float, nargs="+", default=[1, _TWICE, 3], help="of the capacity")
    parser.add_argument("--in-flight", type=int, default=16, help="bets at once by which the capacity is measured")
    parser.add_argument("--variables", nargs="*", default=[], help="VARIABLE=VALUE of the stack's processes")
    add_round_options(parser, rounds=3, seconds=15, ramp=5)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure in each round what arrives at multiples of the capacity, and the capacity before and after it.

    The machine is not as fast all the time: what arrived is compared with the mean of both.
    """
    results, ratios = Results(), dict[float, list[tuple[float, float]]]()
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        variables = dict(one.split("=", 1) for one in options.variables)
        stack = await running.enter_async_context(running_stack(watch, StackOptions(variables=variables)))
        partners = await running.enter_async_context(partners_of(stack, http))
        service = partners.calls(await partners.sandbox_casino("bench"))
        await warm_up([service], [BetKind.TWO_STEP], watch)
        arrivals: dict[float, list[Figures]] = {}
        after = await _capacity(service, options, watch, results)
        for number in range(options.rounds):
            for times in options.times:
                before = after
                found = await _arrivals(service, before * times, window_of(options), number, watch)
                after = await _capacity(service, options, watch, results)
                found["capacity"] = (before + after) / 2
                say(f"round {number + 1}, {times:g} times {before:.1f}: {found}")
                arrivals.setdefault(times, []).append(found)
                ratios.setdefault(times, []).append((found["useful_per_s"], found["capacity"]))
    return {
        "rows": results.rows(),
        "arrivals": {f"{times:g} times": found for times, found in arrivals.items()},
        "verdicts": [one.row() for one in _verdicts(ratios)],
    }


async def _capacity(service: ProviderCalls, options: Namespace, watch: Watch, results: Results) -> float:
    """Return the bets a second with the options' number of bets in flight."""
    found = await measure(service, BetKind.TWO_STEP, options.in_flight, window_of(options), watch)
    results.add(Load("reply", BetKind.TWO_STEP, options.in_flight), service.name, found)
    return found["bets_per_s"]


async def _arrivals(service: ProviderCalls, rate: float, window: Window, seed: int, watch: Watch) -> Figures:
    """Return what became of players who arrive at this rate, and the milliseconds of CPU a second until all is over."""
    began, before = time.monotonic(), cpu_seconds(service.pids)
    playing = arrive(service.client, service.calls, rate, window, seed)
    found = arrival_figures(await watch.within(window.ramp + window.seconds + _TO_DRAIN, playing), began, window)
    seconds = time.monotonic() - began
    spent = {name: after - before[name] for name, after in cpu_seconds(service.pids).items()}
    return found | {f"cpu_{name}_a_second": value * 1000 / seconds for name, value in spent.items()}


def _verdicts(ratios: dict[float, list[tuple[float, float]]]) -> list[Verdict]:
    return [
        Verdict("useful bets/s to the capacity", f"arrivals at {times:g} times", _LIMIT, True, ratio)
        for times, pairs in ratios.items()
        if times == _TWICE and (ratio := Ratio.of(pairs)) is not None
    ]
