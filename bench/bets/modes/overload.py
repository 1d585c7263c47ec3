"""Players who arrive at one, two and three times the capacity: how much of what is answered is of use."""

import time
from argparse import ArgumentParser, Namespace
from contextlib import AsyncExitStack

from bench.bets.figures import Ratio
from bench.bets.measuring import measure
from bench.bets.open_loop import arrival_figures, arrive
from bench.bets.options import add_round_options, window_of
from bench.bets.partners import partners_of
from bench.bets.processes import Watch
from bench.bets.rounds import Load, Results, say, warm_up
from bench.bets.stacks import StackOptions, running_stack
from bench.bets.verdicts import Verdict
from bench.bets.workload import BetKind
from betcore.casino.http_session import http_session

_SERVICE = "service"
_TWICE, _LIMIT = 2.0, 0.9


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    parser.add_argument("--times", type=float, nargs="+", default=[1, _TWICE, 3], help="of the capacity")
    parser.add_argument("--in-flight", type=int, default=16, help="bets at once by which the capacity is measured")
    parser.add_argument("--variables", nargs="*", default=[], help="VARIABLE=VALUE of the stack's processes")
    add_round_options(parser, rounds=3, seconds=15, ramp=5)


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure the capacity, and then what arrives at its multiples, in each round."""
    window, peak = window_of(options), Load("reply", BetKind.TWO_STEP, options.in_flight)
    results, ratios = Results(), dict[float, list[tuple[float, float]]]()
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        variables = dict(one.split("=", 1) for one in options.variables)
        stack = await running.enter_async_context(running_stack(watch, StackOptions(variables=variables)))
        partners = await running.enter_async_context(partners_of(stack, http))
        service = partners.calls(await partners.sandbox_casino("bench"))
        await warm_up([service], [BetKind.TWO_STEP], watch)
        arrivals: dict[float, list[dict[str, float]]] = {}
        for number in range(options.rounds):
            capacity = await measure(service, BetKind.TWO_STEP, options.in_flight, window, watch)
            results.add(peak, _SERVICE, capacity)
            for times in options.times:
                rate, began = capacity["bets_per_s"] * times, time.monotonic()
                played = arrive(service.client, service.calls, rate, window, seed=number)
                found = arrival_figures(await watch.within(window.ramp + window.seconds + 120, played), began, window)
                say(f"round {number + 1}, {times:g} times {capacity['bets_per_s']:.1f}: {found}")
                arrivals.setdefault(times, []).append(found)
                ratios.setdefault(times, []).append((found["useful_per_s"], capacity["bets_per_s"]))
    return {
        "rows": results.rows(),
        "arrivals": {f"{times:g} times": found for times, found in arrivals.items()},
        "verdicts": [one.row() for one in _verdicts(ratios)],
    }


def _verdicts(ratios: dict[float, list[tuple[float, float]]]) -> list[Verdict]:
    return [
        Verdict("useful bets/s to the capacity", f"arrivals at {times:g} times", _LIMIT, True, ratio)
        for times, pairs in ratios.items()
        if times == _TWICE and (ratio := Ratio.of(pairs)) is not None
    ]
