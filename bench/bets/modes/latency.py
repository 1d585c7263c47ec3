"""What the service adds to a casino that answers at once, beside the equal and the lean floor."""

from argparse import ArgumentParser, Namespace
from contextlib import AsyncExitStack

from bench import harness
from bench.bets.figures import quantile
from bench.bets.floors.equal import equal_floor
from bench.bets.floors.lean import lean_floor
from bench.bets.options import add_load_options, add_round_options, play_chosen_loads
from bench.bets.partners import partners_of
from bench.bets.processes import Watch
from bench.bets.stacks import running_stack
from bench.bets.verdicts import verdicts
from bench.bets.workload import BetKind, Target
from betcore.casino.http_session import http_session


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    add_round_options(parser)
    add_load_options(parser, 1, 4, kinds=[*BetKind])


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure the service and two floors in turn; the service and the lean floor send to the casino."""
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        stack = await running.enter_async_context(running_stack(watch))
        address = await running.enter_async_context(harness.beside("bench.bets.instant_casino"))
        partners = await running.enter_async_context(partners_of(stack, http))
        casino = await partners.casino_at(address, "instant")
        equal = await running.enter_async_context(equal_floor(stack, http, watch))
        lean = await running.enter_async_context(lean_floor(stack, casino, http, watch))
        targets: list[Target] = [partners.calls(casino), equal, lean]
        results = await play_chosen_loads(targets, options, watch)
        async with http.get(f"{address}/_times", raise_for_status=True) as response:
            took: list[float] = await response.json()
    return {
        "rows": results.rows(),
        "verdicts": [one.row() for one in verdicts(results)],
        "casino_ms": {"p50": round(quantile(took, 0.5), 3), "p99": round(quantile(took, 0.99), 3)},
    }
